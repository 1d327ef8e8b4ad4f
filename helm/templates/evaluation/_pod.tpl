{{/* What the single nodes have in common: (dict "root" $ "component" "kafka" "user" 1000). */}}
{{- define "threadline.evaluationPodSpec" -}}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 60
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "threadline.evaluationClaim" -}}
{{- $storage := (index .root.Values.evaluation .component).storage -}}
- metadata:
    name: storage
  spec:
    accessModes: [ReadWriteOnce]
    {{- with $storage.className }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ $storage.size }}
{{- end -}}

{{/* Only our own pods may call it, and it calls nobody. */}}
{{- define "threadline.evaluationNetworkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "threadline.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels: {{- include "threadline.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports: [{protocol: TCP, port: {{ .port }}}]
      from:
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: {{ include "threadline.name" .root }}
              app.kubernetes.io/instance: {{ .root.Release.Name }}
        {{- with .from }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  egress:
    - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
    # The broker finds itself under its own advertised name.
    - ports: [{protocol: TCP, port: {{ .port }}}]
      to:
        - podSelector:
            matchLabels: {{- include "threadline.selector" . | nindent 14 }}
{{- end -}}

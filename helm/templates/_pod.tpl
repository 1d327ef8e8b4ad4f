{{/* Labels and annotations of the pods of one process: (dict "root" $ "component" "serve"). */}}
{{- define "threadline.podMetadata" -}}
labels: {{- include "threadline.labels" . | nindent 2 }}
{{- with (index .root.Values .component).podAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What every pod of ours has around its container. */}}
{{- define "threadline.podSpec" -}}
{{- $own := index .root.Values .component -}}
serviceAccountName: {{ include "threadline.fullname" .root }}-{{ .component }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- with $own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $own.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- with .root.Values.kafka.tls.existingSecret }}
  - name: kafka-tls
    secret:
      secretName: {{ . }}
  {{- end }}
  {{- if and .root.Values.clickhouse.tls.existingSecret (ne .component "worker") }}
  - name: clickhouse-tls
    secret:
      secretName: {{ .root.Values.clickhouse.tls.existingSecret }}
  {{- end }}
  {{- if and (eq .component "serve") $own.keys.existingSecret }}
  - name: keys
    secret:
      secretName: {{ $own.keys.existingSecret }}
  {{- end }}
  {{- if and (eq .component "serve") $own.policy }}
  - name: policy
    configMap:
      name: {{ include "threadline.fullname" .root }}-serve
  {{- end }}
{{- end -}}

{{/* Spreads the pods of one process over zones and nodes. */}}
{{- define "threadline.topologySpread" -}}
{{- if .root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $.root.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels: {{- include "threadline.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* After preStop and drain a process has 10 seconds left to close its connections. */}}
{{- define "threadline.graceSeconds" -}}
{{- $own := index .root.Values .component -}}
{{- add (ceil $own.drainSeconds | int64) ($own.preStopSeconds | default 0 | int64) 10 -}}
{{- end -}}

{{/* The container of one process, without its ports and probes. */}}
{{- define "threadline.container" -}}
- name: {{ .component }}
  image: {{ include "threadline.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: [{{ .component }}]
  env: {{- include "threadline.env" . | trim | nindent 4 }}
  securityContext: {{- include "threadline.containerSecurity" . | nindent 4 }}
  resources: {{- toYaml (index .root.Values .component).resources | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    {{- if .root.Values.kafka.tls.existingSecret }}
    - name: kafka-tls
      mountPath: /etc/threadline/kafka-tls
      readOnly: true
    {{- end }}
    {{- if and .root.Values.clickhouse.tls.existingSecret (ne .component "worker") }}
    - name: clickhouse-tls
      mountPath: /etc/threadline/clickhouse-tls
      readOnly: true
    {{- end }}
    {{- if and (eq .component "serve") .root.Values.serve.keys.existingSecret }}
    # The whole folder: a file mounted alone (subPath) would never change.
    - name: keys
      mountPath: /etc/threadline/keys
      readOnly: true
    {{- end }}
    {{- if and (eq .component "serve") .root.Values.serve.policy }}
    - name: policy
      mountPath: /etc/threadline/policy
      readOnly: true
    {{- end }}
{{- end -}}

{{- define "threadline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/*
Alive means that the stage's loop moves, never that Kafka or ClickHouse answer: restarting does not bring them back.
Ready gates rollouts; a worker is ready when its state is recovered.
*/}}
{{- define "threadline.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: operation}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: operation}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: operation}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{- define "threadline.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "threadline.metadata" . | nindent 2 }}
  {{- with .annotations }}
  annotations: {{- . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}

{{- define "threadline.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "threadline.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ (index .root.Values .component).podDisruptionBudget.maxUnavailable }}
  # A pod that is not ready protects nothing; without this it could keep a node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "threadline.selector" . | nindent 6 }}
{{- end -}}

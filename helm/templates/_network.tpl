{{/* Ports of kafka.bootstrap and the extra ones, each once. */}}
{{- define "threadline.kafkaPorts" -}}
{{- $ports := list -}}
{{- range splitList "," (include "threadline.kafkaBootstrap" .) -}}
{{- $ports = append $ports (splitList ":" (trim .) | last | int) -}}
{{- end -}}
{{- range .Values.networkPolicy.extraKafkaPorts -}}
{{- $ports = append $ports (int .) -}}
{{- end -}}
{{- range uniq $ports }}
- {protocol: TCP, port: {{ . }}}
{{- end }}
{{- end -}}

{{/*
The policy of one process: (dict "root" $ "component" "sink" "ports" (list "operation")).
Everything of ours needs names and Kafka; all but the worker need ClickHouse.
*/}}
{{- define "threadline.networkPolicy" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $evaluation := .root.Values.evaluation -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "threadline.metadata" . | nindent 2 }}
  {{- with .annotations }}
  annotations: {{- . | nindent 4 }}
  {{- end }}
spec:
  podSelector:
    matchLabels: {{- include "threadline.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- if eq .component "migrate" }}
  ingress: []
  {{- else }}
  ingress:
    - ports: [{protocol: TCP, port: operation}]
      from: {{- toYaml $policy.monitoringFrom | nindent 8 }}
    {{- if eq .component "serve" }}
    - ports: [{protocol: TCP, port: http}]
      {{- with $policy.serveFrom }}
      from:
        {{- toYaml . | nindent 8 }}
        - podSelector:
            matchLabels: {{- include "threadline.selector" (dict "root" $.root "component" "test") | nindent 14 }}
      {{- end }}
    {{- end }}
  {{- end }}
  egress:
    - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
    - ports: {{- include "threadline.kafkaPorts" .root | trim | nindent 8 }}
      {{- if $evaluation.kafka.enabled }}
      to:
        - podSelector:
            matchLabels: {{- include "threadline.selector" (dict "root" .root "component" "kafka") | nindent 14 }}
      {{- else }}
      {{- with $policy.kafkaTo }}
      to: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
    {{- if ne .component "worker" }}
    {{- if $evaluation.clickhouse.enabled }}
    - ports: [{protocol: TCP, port: 8123}]
      to:
        - podSelector:
            matchLabels: {{- include "threadline.selector" (dict "root" .root "component" "clickhouse") | nindent 14 }}
    {{- else }}
    - ports: [{protocol: TCP, port: {{ .root.Values.clickhouse.port }}}]
      {{- with $policy.clickhouseTo }}
      to: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- end }}
    {{- if and (eq .component "evaluate") .root.Values.evaluate.judge.url }}
    - ports: [{protocol: TCP, port: {{ .root.Values.evaluate.judge.port }}}]
    {{- end }}
{{- end -}}

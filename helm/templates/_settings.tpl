{{/* Where Kafka is. */}}
{{- define "threadline.kafkaBootstrap" -}}
{{- if .Values.evaluation.kafka.enabled -}}
{{ include "threadline.fullname" . }}-kafka:9092
{{- else -}}
{{ .Values.kafka.bootstrap }}
{{- end -}}
{{- end -}}

{{/* Where ClickHouse is, and what holds its password. */}}
{{- define "threadline.clickhouseHost" -}}
{{- if .Values.evaluation.clickhouse.enabled -}}
{{ include "threadline.fullname" . }}-clickhouse
{{- else -}}
{{ .Values.clickhouse.host }}
{{- end -}}
{{- end -}}

{{- define "threadline.clickhouseSecret" -}}
{{- if .Values.evaluation.clickhouse.enabled -}}
{{ include "threadline.fullname" . }}-clickhouse
{{- else -}}
{{ .Values.clickhouse.existingSecret }}
{{- end -}}
{{- end -}}

{{- define "threadline.clickhouseSecretKey" -}}
{{- if .Values.evaluation.clickhouse.enabled -}}password{{- else -}}{{ .Values.clickhouse.existingSecretKey }}{{- end -}}
{{- end -}}

{{/*
The settings of one process as YAML, name to value: what the chart knows, then `settings`, then the process's own.
(dict "root" $ "component" "serve")
*/}}
{{- define "threadline.settings" -}}
{{- $root := .root -}}
{{- $own := index $root.Values .component -}}
{{- $settings := dict
  "THREADLINE_KAFKA_BOOTSTRAP" (include "threadline.kafkaBootstrap" $root)
  "THREADLINE_KAFKA_PARTITIONS" $root.Values.kafka.partitions
  "THREADLINE_KAFKA_REPLICATION_FACTOR" (ternary 1 $root.Values.kafka.replicationFactor $root.Values.evaluation.kafka.enabled)
-}}
{{- if ne .component "worker" -}}
{{- $_ := set $settings "THREADLINE_CLICKHOUSE_HOST" (include "threadline.clickhouseHost" $root) -}}
{{- $_ := set $settings "THREADLINE_CLICKHOUSE_PORT" (ternary 8123 $root.Values.clickhouse.port $root.Values.evaluation.clickhouse.enabled) -}}
{{- $_ := set $settings "THREADLINE_CLICKHOUSE_DATABASE" $root.Values.clickhouse.database -}}
{{- $_ := set $settings "THREADLINE_CLICKHOUSE_USER" $root.Values.clickhouse.user -}}
{{- if and $root.Values.clickhouse.cluster (not $root.Values.evaluation.clickhouse.enabled) -}}
{{- $_ := set $settings "THREADLINE_CLICKHOUSE_CLUSTER" $root.Values.clickhouse.cluster -}}
{{- end -}}
{{- end -}}
{{- include "threadline.tlsSettings" (dict "root" $root "component" .component "settings" $settings) -}}
{{- if eq .component "migrate" -}}
{{- $_ := set $settings "THREADLINE_KAFKA_RETENTION_HOURS" $root.Values.kafka.retentionHours -}}
{{- else -}}
{{- $_ := set $settings "THREADLINE_OPERATION_HOST" "0.0.0.0" -}}
{{- $_ := set $settings "THREADLINE_OPERATION_PORT" 9100 -}}
{{- $_ := set $settings "THREADLINE_OPERATION_DRAIN_SECONDS" $own.drainSeconds -}}
{{- end -}}
{{- if and (eq .component "evaluate") $own.judge.url -}}
{{- $_ := set $settings "THREADLINE_EVALUATE_JUDGE_URL" $own.judge.url -}}
{{- end -}}
{{- if eq .component "serve" -}}
{{- $_ := set $settings "THREADLINE_GATEWAY_HOST" "0.0.0.0" -}}
{{- $_ := set $settings "THREADLINE_GATEWAY_PORT" 8080 -}}
{{- $_ := set $settings "THREADLINE_GATEWAY_SHUTDOWN_SECONDS" $own.drainSeconds -}}
{{- if $own.clickhouse.user -}}
{{- $_ := set $settings "THREADLINE_QUERY_CLICKHOUSE_USER" $own.clickhouse.user -}}
{{- end -}}
{{- if $own.policy -}}
{{- $_ := set $settings "THREADLINE_GATEWAY_POLICY_FILE" "/etc/threadline/policy/policy.json" -}}
{{- end -}}
{{- if $own.keys.existingSecret -}}
{{- $_ := set $settings "THREADLINE_GATEWAY_KEYS_FILE" (printf "/etc/threadline/keys/%s" $own.keys.existingSecretKey) -}}
{{- else -}}
{{- $_ := set $settings "THREADLINE_GATEWAY_OPEN_TO_ALL" true -}}
{{- end -}}
{{- end -}}
{{- toYaml (merge (deepCopy $own.settings) (deepCopy $root.Values.settings) $settings) -}}
{{- end -}}

{{/* Where the mounted files of TLS are: added to `settings`. */}}
{{- define "threadline.tlsSettings" -}}
{{- $settings := .settings -}}
{{- with .root.Values.kafka.tls -}}
{{- if .existingSecret -}}
{{- range $name, $key := dict "CA" .caKey "CERTIFICATE" .certificateKey "KEY" .privateKey -}}
{{- if $key -}}
{{- $_ := set $settings (printf "THREADLINE_KAFKA_TLS_%s_FILE" $name) (printf "/etc/threadline/kafka-tls/%s" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .root.Values.clickhouse.tls.enabled (ne .component "worker") -}}
{{- $_ := set $settings "THREADLINE_CLICKHOUSE_TLS" true -}}
{{- if .root.Values.clickhouse.tls.existingSecret -}}
{{- $_ := set $settings "THREADLINE_CLICKHOUSE_TLS_CA_FILE" (printf "/etc/threadline/clickhouse-tls/%s" .root.Values.clickhouse.tls.caKey) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A value as text; YAML numbers reach templates as floats, and 67108864 must not become 6.7108864e+07. A map is JSON. */}}
{{- define "threadline.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else if kindIs "map" . -}}{{ toJson . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* The environment of one process. */}}
{{- define "threadline.env" -}}
{{- range $name, $value := include "threadline.settings" . | fromYaml }}
- name: {{ $name }}
  value: {{ include "threadline.text" $value | quote }}
{{- end }}
{{- if ne .component "worker" }}
- name: THREADLINE_CLICKHOUSE_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "threadline.clickhouseSecret" .root }}
      key: {{ include "threadline.clickhouseSecretKey" .root }}
{{- end }}
{{- if eq .component "serve" }}
{{- with .root.Values.serve.clickhouse }}
{{- if .user }}
- name: THREADLINE_QUERY_CLICKHOUSE_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .existingSecretKey }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq .component "evaluate" }}
{{- with .root.Values.evaluate.judge }}
{{- if .existingSecret }}
- name: THREADLINE_EVALUATE_JUDGE_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .existingSecretKey }}
{{- end }}
{{- end }}
{{- end }}
{{- with .root.Values.kafka.existingSecret }}
- name: THREADLINE_KAFKA_SASL_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.root.Values.kafka.existingSecretKey }}
{{- end }}
{{- if eq .component "worker" }}
- name: THREADLINE_STREAM_INSTANCE_ID
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end }}
{{- end -}}

{{/* What a schema cannot say: relations between values. Each refusal is one sentence that names what to change. */}}
{{- define "threadline.guards" -}}
{{- include "threadline.guardConnections" . -}}
{{- range tuple "worker" "evaluate" "sink" -}}
{{- include "threadline.guardConsumers" (dict "root" $ "component" .) -}}
{{- end -}}
{{- range tuple "serve" "worker" "evaluate" "sink" -}}
{{- include "threadline.guardSettings" (dict "root" $ "component" .) -}}
{{- include "threadline.guardSecurity" (dict "root" $ "component" .) -}}
{{- end -}}
{{- include "threadline.guardServe" . -}}
{{- end -}}

{{/* What brokers ask for, and what they are given, must be of one kind; else no process could connect. */}}
{{- define "threadline.guardSecurity" -}}
{{- $settings := include "threadline.settings" . | fromYaml -}}
{{- $protocol := get $settings "THREADLINE_KAFKA_SECURITY_PROTOCOL" | default "PLAINTEXT" -}}
{{- $kafka := .root.Values.kafka -}}
{{- if and (hasPrefix "SASL_" $protocol) (or (not $kafka.existingSecret) (not (get $settings "THREADLINE_KAFKA_SASL_USERNAME"))) -}}
{{- fail (printf "For %s THREADLINE_KAFKA_SECURITY_PROTOCOL is %s; it needs the setting THREADLINE_KAFKA_SASL_USERNAME, and kafka.existingSecret with its password." .component $protocol) -}}
{{- end -}}
{{- if and $kafka.tls.existingSecret (not (hasSuffix "SSL" $protocol)) -}}
{{- fail (printf "kafka.tls.existingSecret is set, but for %s THREADLINE_KAFKA_SECURITY_PROTOCOL is %s: set it to SSL or SASL_SSL." .component $protocol) -}}
{{- end -}}
{{- if ne (empty $kafka.tls.certificateKey) (empty $kafka.tls.privateKey) -}}
{{- fail "kafka.tls.certificateKey and kafka.tls.privateKey belong together: set both, or neither." -}}
{{- end -}}
{{- if and $kafka.tls.certificateKey (not $kafka.tls.existingSecret) -}}
{{- fail "kafka.tls.certificateKey needs kafka.tls.existingSecret: the secret that holds it." -}}
{{- end -}}
{{- end -}}

{{- define "threadline.guardConnections" -}}
{{- $kafka := .Values.evaluation.kafka.enabled -}}
{{- $clickhouse := .Values.evaluation.clickhouse.enabled -}}
{{- if and (not $kafka) (not .Values.kafka.bootstrap) -}}
{{- fail "Set kafka.bootstrap to the addresses of your brokers, or evaluation.kafka.enabled to try Threadline without them." -}}
{{- end -}}
{{- if and $kafka .Values.kafka.bootstrap -}}
{{- fail "kafka.bootstrap and evaluation.kafka.enabled exclude each other: either there are brokers, or the chart makes one." -}}
{{- end -}}
{{- if and (not $clickhouse) (not .Values.clickhouse.host) -}}
{{- fail "Set clickhouse.host to your ClickHouse, or evaluation.clickhouse.enabled to try Threadline without one." -}}
{{- end -}}
{{- if and $clickhouse .Values.clickhouse.host -}}
{{- fail "clickhouse.host and evaluation.clickhouse.enabled exclude each other: either there is a ClickHouse, or the chart makes one." -}}
{{- end -}}
{{- if and .Values.clickhouse.tls.existingSecret (not .Values.clickhouse.tls.enabled) -}}
{{- fail "clickhouse.tls.existingSecret is set, but clickhouse.tls.enabled is not: the authorities would not be used." -}}
{{- end -}}
{{- if and $clickhouse .Values.clickhouse.tls.enabled -}}
{{- fail "clickhouse.tls.enabled and evaluation.clickhouse.enabled exclude each other: the evaluation's ClickHouse speaks plain HTTP." -}}
{{- end -}}
{{- if and (not $clickhouse) (not .Values.clickhouse.existingSecret) -}}
{{- fail "Set clickhouse.existingSecret to the secret that holds the password of clickhouse.user; there is no default password." -}}
{{- end -}}
{{- end -}}

{{- define "threadline.guardConsumers" -}}
{{- $own := index .root.Values .component -}}
{{- $partitions := .root.Values.kafka.partitions | int -}}
{{- if $own.autoscaling.enabled -}}
{{- if gt ($own.autoscaling.maxReplicas | int) $partitions -}}
{{- fail (printf "%s.autoscaling.maxReplicas is %d, but kafka.partitions is %d: a member of the group without a partition does nothing." .component ($own.autoscaling.maxReplicas | int) $partitions) -}}
{{- end -}}
{{- if gt ($own.autoscaling.minReplicas | int) ($own.autoscaling.maxReplicas | int) -}}
{{- fail (printf "%s.autoscaling.minReplicas must not exceed %s.autoscaling.maxReplicas." .component .component) -}}
{{- end -}}
{{- else if gt ($own.replicas | int) $partitions -}}
{{- fail (printf "%s.replicas is %d, but kafka.partitions is %d: a member of the group without a partition does nothing." .component ($own.replicas | int) $partitions) -}}
{{- end -}}
{{- end -}}

{{/* The relations that pipeline/settings.py checks at start, so that no pod is made that would refuse to run. */}}
{{- define "threadline.guardSettings" -}}
{{- $settings := include "threadline.settings" . | fromYaml -}}
{{- $session := get $settings "THREADLINE_KAFKA_SESSION_TIMEOUT_MS" | default 10000 | int64 -}}
{{- $heartbeat := get $settings "THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS" | default 3000 | int64 -}}
{{- if gt (mul 3 $heartbeat) $session -}}
{{- fail (printf "For %s THREADLINE_KAFKA_SESSION_TIMEOUT_MS is %d; it must be at least 3 x THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS, which is %d." .component $session $heartbeat) -}}
{{- end -}}
{{- $event := get $settings "THREADLINE_GATEWAY_EVENT_BYTES_MAX" | default 50331648 | int64 -}}
{{- $body := get $settings "THREADLINE_GATEWAY_BODY_BYTES_MAX" | default 67108864 | int64 -}}
{{- if gt $event $body -}}
{{- fail (printf "For %s THREADLINE_GATEWAY_EVENT_BYTES_MAX is %d; it must not exceed THREADLINE_GATEWAY_BODY_BYTES_MAX, which is %d." .component $event $body) -}}
{{- end -}}
{{- end -}}

{{- define "threadline.guardServe" -}}
{{- with .Values.serve -}}
{{- if and .ingress.enabled (not .ingress.hosts) -}}
{{- fail "serve.ingress.enabled needs at least one name in serve.ingress.hosts." -}}
{{- end -}}
{{- if and .clickhouse.user (not .clickhouse.existingSecret) -}}
{{- fail "Set serve.clickhouse.existingSecret to the secret that holds the password of serve.clickhouse.user." -}}
{{- end -}}
{{- if and (or .ingress.enabled (ne .service.type "ClusterIP")) (not .keys.existingSecret) (not .openToAll) -}}
{{- fail "Set serve.keys.existingSecret to the secret with the API keys: serve can be reached from outside the cluster, and without keys everybody could read and write. Set serve.openToAll where that is meant." -}}
{{- end -}}
{{- if .autoscaling.enabled -}}
{{- if gt (.autoscaling.minReplicas | int) (.autoscaling.maxReplicas | int) -}}
{{- fail "serve.autoscaling.minReplicas must not exceed serve.autoscaling.maxReplicas." -}}
{{- end -}}
{{- if not (dig "requests" "cpu" "" .resources) -}}
{{- fail "serve.autoscaling.enabled needs serve.resources.requests.cpu: the autoscaler aims at a share of it." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

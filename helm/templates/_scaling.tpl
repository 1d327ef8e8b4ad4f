{{/*
Replicas follow the lag of a consumer group: (dict "root" $ "component" "sink" "kind" "Deployment" "group" "…").
A member without a partition does nothing, so there are never more than partitions. Lag that does not move in a partition
(held back, or stuck) must not add members, since more members do not cure it.
*/}}
{{- define "threadline.scaledObject" -}}
{{- $scaling := (index .root.Values .component).autoscaling -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "threadline.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ .kind }}
    name: {{ include "threadline.fullname" .root }}-{{ .component }}
  pollingInterval: 15
  minReplicaCount: {{ $scaling.minReplicas }}
  maxReplicaCount: {{ $scaling.maxReplicas }}
  # When Kafka cannot be asked, stay at the least.
  fallback:
    failureThreshold: 4
    replicas: {{ $scaling.minReplicas }}
    behavior: currentReplicasIfHigher
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          stabilizationWindowSeconds: {{ $scaling.scaleDownSeconds }}
          policies:
            - {type: Pods, value: 1, periodSeconds: 60}
  triggers:
    - type: kafka
      metadata:
        bootstrapServers: {{ include "threadline.kafkaBootstrap" .root | quote }}
        consumerGroup: {{ .group }}
        {{- with .topic }}
        topic: {{ . }}
        {{- end }}
        lagThreshold: {{ $scaling.lagThreshold | int64 | quote }}
        offsetResetPolicy: earliest
        allowIdleConsumers: "false"
        excludePersistentLag: "true"
        {{- with include "threadline.kafkaScalerSecurity" . | fromYaml }}
        sasl: {{ .sasl }}
        tls: {{ .tls }}
      authenticationRef:
        name: {{ include "threadline.fullname" $.root }}-kafka
        {{- end }}
{{- end -}}

{{/*
How the autoscaler reaches Kafka, in its words; nothing where brokers ask for nothing. It asks as the processes do, so the
settings of the process that is scaled decide: (dict "root" $ "component" "sink").
*/}}
{{- define "threadline.kafkaScalerSecurity" -}}
{{- $settings := include "threadline.settings" . | fromYaml -}}
{{- $protocol := get $settings "THREADLINE_KAFKA_SECURITY_PROTOCOL" | default "PLAINTEXT" -}}
{{- if ne $protocol "PLAINTEXT" -}}
{{- $mechanism := get $settings "THREADLINE_KAFKA_SASL_MECHANISM" | default "SCRAM-SHA-512" -}}
{{- $sasl := get (dict "PLAIN" "plaintext" "SCRAM-SHA-256" "scram_sha256" "SCRAM-SHA-512" "scram_sha512") $mechanism -}}
sasl: {{ ternary $sasl "none" (hasPrefix "SASL_" $protocol) }}
tls: {{ ternary "enable" "disable" (hasSuffix "SSL" $protocol) }}
{{- end -}}
{{- end -}}

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
{{- end -}}

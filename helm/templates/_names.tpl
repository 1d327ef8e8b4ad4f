{{- define "threadline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "threadline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "threadline.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "threadline.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of one process: (dict "root" $ "component" "serve"). Never changes between versions. */}}
{{- define "threadline.selector" -}}
app.kubernetes.io/name: {{ include "threadline.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "threadline.labels" -}}
{{ include "threadline.selector" . }}
app.kubernetes.io/part-of: threadline
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Name and labels of a resource of one process. */}}
{{- define "threadline.metadata" -}}
name: {{ include "threadline.fullname" .root }}-{{ .component }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "threadline.labels" . | nindent 2 }}
{{- end -}}

{{- define "threadline.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
What the migration carries, so that it runs before anything new starts. With the evaluation's own Kafka or ClickHouse
it cannot: these are made by the same installation, so the job stands among the other resources and tries until they
answer.
*/}}
{{- define "threadline.migrateIsHook" -}}
{{- if not (or .Values.evaluation.kafka.enabled .Values.evaluation.clickhouse.enabled) -}}true{{- end -}}
{{- end -}}

{{- define "threadline.hookAnnotations" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation
{{- end -}}

{{/* Names that the templates share. A gateway's own name has at most 40 characters, its number among them. */}}

{{- define "lakegate.name" -}}
{{- if contains "lakegate" .Release.Name }}{{ .Release.Name | trunc 34 | trimSuffix "-" }}
{{- else }}{{ printf "%s-lakegate" (.Release.Name | trunc 25) }}{{ end }}
{{- end }}

{{- define "lakegate.account" -}}
{{ include "lakegate.name" . }}-gateway
{{- end }}

{{- define "lakegate.machines" -}}
{{ .Values.machines.namespace | default (printf "%s-machines" .Release.Namespace) }}
{{- end }}

{{- define "lakegate.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}{{ end }}
{{- end }}

{{/* Those of the namespace-wide objects: they tell gateways of several releases apart. */}}
{{- define "lakegate.selector" -}}
app.kubernetes.io/name: lakegate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: lakegate-gateway
{{- end }}

{{- define "lakegate.labels" -}}
app.kubernetes.io/name: lakegate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* How many gateways there can be: each has Secrets of its own, which the role names. */}}
{{- define "lakegate.most" -}}
{{ ternary .Values.autoscaling.maxReplicas .Values.gateway.replicas .Values.autoscaling.enabled }}
{{- end }}

{{/* Fields of compute.spawners.kubernetes.nodes.NodeType, spelt as Python does. */}}
{{- define "lakegate.nodeTypes" -}}
{{- $types := dict }}
{{- range $name, $fields := .Values.machines.nodeTypes }}
{{- $spelt := dict }}
{{- range $field, $value := $fields }}{{ $_ := set $spelt (snakecase $field) $value }}{{ end }}
{{- $_ := set $types $name $spelt }}
{{- end }}
{{- toJson $types }}
{{- end }}

{{/* The Pod Security Standard "restricted", of a pod and of a container. */}}
{{- define "lakegate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 64023
runAsGroup: 64023
fsGroup: 64023
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "lakegate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

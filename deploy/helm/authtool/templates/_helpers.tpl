{{- define "authtool.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "authtool.selector" -}}
app.kubernetes.io/name: authtool
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "authtool.labels" -}}
{{ include "authtool.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "authtool.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "authtool.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "authtool.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The configuration file: yours, with the chart's listeners. */}}
{{- define "authtool.config" -}}
{{- if not .Values.config -}}
{{- fail "config is empty: give the server's configuration there (client, connections, session, server); see the chart's README" -}}
{{- end -}}
{{- $listeners := dict "server" (dict "ip" "0.0.0.0" "port" 3000 "internal" (dict "ip" "0.0.0.0" "port" 3001)) -}}
{{- mustMergeOverwrite (deepCopy .Values.config) $listeners | mustToPrettyJson -}}
{{- end -}}

{{- define "authtool.embedded" -}}
{{- range $name, $connection := .Values.config.connections -}}
{{- if eq $connection.type "embedded" -}}yes{{- end -}}
{{- end -}}
{{- end -}}

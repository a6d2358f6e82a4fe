{{- define "twp-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "twp-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "twp-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "twp-operator.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* These never change in the life of a release: the Deployment's selector is immutable. */}}
{{- define "twp-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "twp-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "twp-operator.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" (include "twp-operator.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/component" "operator"
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- toYaml (merge $own (.Values.commonLabels | default dict)) }}
{{- end }}

{{- define "twp-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "twp-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "twp-operator.leaseName" -}}
{{- default (include "twp-operator.fullname" .) .Values.leaderElection.leaseName }}
{{- end }}

{{- define "twp-operator.image" -}}
{{- if not .Values.image.repository }}
{{- fail (printf "image.repository is not set: no image is published yet; build one as the sources' Containerfile says, push it to where your cluster pulls from, and set image.repository=registry.example/twp-operator (the tag is %s unless image.tag or image.digest is set)" .Chart.AppVersion) }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

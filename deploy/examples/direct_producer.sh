#!/usr/bin/env bash
# Log one turn of a conversation straight into Kafka with kcat (Debian: apt install kcat jq), as any language may:
#   BOOTSTRAP=127.0.0.1:9092 deploy/examples/direct_producer.sh support-1 "How do I reset it?" "Hold the button."
# What counts is in schemas/README.md. It prints the id of the trace.
set -euo pipefail

thread=$1 question=$2 answer=$3
workspace=${WORKSPACE:-default} project_name=${PROJECT:-Default Project}

# UUIDv5 of "<workspace><tab><project name in lower case>" in the namespace of projects.
uuid5_of() {
  local hash
  hash=$( (printf '\x6f\x1f\x7a\x5e\x5a\x0c\x5a\x53\x8a\x53\x7a\x1d\x2f\x0c\x9b\x11'; printf '%s' "$1") | sha1sum)
  printf '%s-%s-5%s-%x%s-%s\n' "${hash:0:8}" "${hash:8:4}" "${hash:13:3}" \
    $((0x${hash:16:1} & 3 | 8)) "${hash:17:3}" "${hash:20:12}"
}

# UUIDv7: the time in milliseconds, then chance.
uuid7() {
  local chance milliseconds
  chance=$(od -An -N10 -tx1 /dev/urandom | tr -d ' \n')
  milliseconds=$(printf '%012x' "$(($1 / 1000))")
  printf '%s-%s-7%s-%x%s-%s\n' "${milliseconds:0:8}" "${milliseconds:8:4}" "${chance:0:3}" \
    $((0x${chance:3:1} & 3 | 8)) "${chance:4:3}" "${chance:7:12}"
}

now_us=$(($(date +%s%N) / 1000))
project_id=$(uuid5_of "$workspace"$'\t'"${project_name,,}")
trace_id=$(uuid7 "$now_us")

event=$(jq -nc \
  --arg workspace "$workspace" --arg project_id "$project_id" --arg project_name "$project_name" \
  --arg id "$trace_id" --arg thread_id "$thread" --arg question "$question" --arg answer "$answer" \
  --argjson now_us "$now_us" '{
    workspace: $workspace, version_us: $now_us, received_at_us: $now_us, event: "create", id: $id,
    project_id: $project_id, project_name: $project_name, thread_id: $thread_id, name: "turn",
    start_time_us: ($now_us - 1000000), end_time_us: $now_us,
    input: ({user: $question} | tojson), output: ({assistant: $answer} | tojson)
  }')

# kcat parts keys by CRC32 unless told otherwise: everybody else here uses murmur2, as Kafka's own clients do.
printf '%s\n' "$event" | kcat -P -q -b "${BOOTSTRAP:-127.0.0.1:9092}" -t traces \
  -k "thread"$'\t'"$workspace"$'\t'"$project_id"$'\t'"$thread" \
  -H kind=trace -H schema-version=1 -X topic.partitioner=murmur2_random -X acks=all
printf '%s\n' "$trace_id"

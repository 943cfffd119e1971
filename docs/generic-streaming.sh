#!/usr/bin/env bash
# The guide's generic streaming: a StreamingChannel, a subscription to it, pushes to everybody and to one user, and who
# is online.
#
#   docs/generic-streaming.sh                                       with an emulator that it starts
#   COMETAIL_URL=https://acme.my.salesforce.com COMETAIL_TOKEN=... docs/generic-streaming.sh
#
# What is made in an org is deleted again. It ends with 0 when every event was seen.
set -euo pipefail
# shellcheck source=docs/walkthrough.bash
source "$(dirname "$0")/walkthrough.bash"

channel=/u/notifications/ExampleUserChannel
# Tells the events of this run from those of others on the channel.
run="run $$ of $(date +%s)"

online() { rest GET "sobjects/StreamingChannel/$id/push"; }

delete_channel() { "$cometail" channel delete "$channel" --url "$COMETAIL_URL"; }

is_online() { online | grep -q "\"$user\""; }

log_in

say "The channel $channel"
id=$(rest GET "query?q=SELECT+Id+FROM+StreamingChannel+WHERE+Name=%27$channel%27" | member Id)
if [ -z "$id" ]; then
    id=$("$cometail" channel create "$channel" --url "$COMETAIL_URL" --json | member id)
    at_the_end delete_channel
fi
[ -n "$id" ] || die "the org does not say which channel it made"
echo "$id"

say "A subscription to it"
tail_channel "$channel"

say "Who is online"
soon "$user to be online" is_online
online

say "A push to everybody, by REST"
pushed=$(rest POST "sobjects/StreamingChannel/$id/push" \
    "{\"pushEvents\": [{\"payload\": \"Broadcast message to all subscribers, $run\", \"userIds\": []}]}")
echo "$pushed"
grep -q '"fanoutCount" *: *-1' <<<"$pushed" || die "a push to everybody has the fanoutCount -1"
expect_event "the event of it" "\"payload\":\"Broadcast message to all subscribers, $run\""

say "A push to one user, by cometail"
pushed=$("$cometail" channel push "$channel" "hello world, $run" --user "$user" --url "$COMETAIL_URL")
echo "$pushed"
grep -q "$user online" <<<"$pushed" || die "the user is online"
expect_event "the event of it" "\"payload\":\"hello world, $run\""

say "Two pushes in one request: neither is lost, and their order stays"
rest POST "sobjects/StreamingChannel/$id/push" \
    "{\"pushEvents\": [{\"payload\": \"first, $run\", \"userIds\": [\"$user\"]}, {\"payload\": \"second, $run\"}]}"
expect_event "the last of them" "\"payload\":\"second, $run\""

came=$(grep -F "$run\"" "$events" | sed "s/.*\"payload\":\"\([^\"]*\), $run\".*/\1/" | paste -s -d '|' -)
[ "$came" = "Broadcast message to all subscribers|hello world|first|second" ] || die "the events came as: $came"
say "Good: four events, each once and in order"

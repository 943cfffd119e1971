#!/usr/bin/env bash
# The guide's quick start: a PushTopic, a subscription to it, and a record whose changes come as events.
#
#   docs/quick-start.sh                                             with an emulator that it starts
#   COMETAIL_URL=https://acme.my.salesforce.com COMETAIL_TOKEN=... docs/quick-start.sh
#
# An org must have the guide's object: Invoice_Statement__c, with an auto number as its name, the picklist Status__c and
# the text area Description__c. What is made there is deleted again. It ends with 0 when every event was seen.
set -euo pipefail
# shellcheck source=docs/walkthrough.bash
source "$(dirname "$0")/walkthrough.bash"

topic=InvoiceStatementUpdates
record=sobjects/Invoice_Statement__c
query='SELECT Id, Name, Status__c, Description__c FROM Invoice_Statement__c'

delete_topic() { "$cometail" topic delete "$topic" --url "$COMETAIL_URL"; }
# The record, as long as it is there.
left=
delete_record() { [ -z "$left" ] || rest DELETE "$record/$left"; }

log_in

say "The PushTopic $topic"
if ! "$cometail" topic show "$topic" --url "$COMETAIL_URL" 2>/dev/null; then
    "$cometail" topic create "$topic" --query "$query" --notify-for-fields Referenced --url "$COMETAIL_URL"
    at_the_end delete_topic
fi

say "A subscription to /topic/$topic"
tail_channel "/topic/$topic"

say "An invoice statement is created"
id=$(rest POST "$record" '{"Description__c": "Test invoice statement"}' | member id)
[ -n "$id" ] || die "the org does not say which record it made"
expect_event "the event of it" "\"$id\"" '"type":"created"' '"Description__c":"Test invoice statement"'

left=$id
at_the_end delete_record

say "It is updated"
rest PATCH "$record/$id" '{"Status__c": "Negotiating", "Description__c": "Waiting for the vendor"}'
expect_event "the event of it" "\"$id\"" '"type":"updated"' '"Status__c":"Negotiating"'

say "It is deleted"
rest DELETE "$record/$id"
left=
expect_event "the event of it, which has the id alone" "\"$id\"" '"type":"deleted"' "\"sobject\":{\"Id\":\"$id\"}"

kinds=$(grep -F "\"$id\"" "$events" | sed 's/.*"type":"\([a-z]*\)".*/\1/' | paste -s -d ' ' -)
[ "$kinds" = "created updated deleted" ] || die "the events came as: $kinds"
say "Good: created, updated and deleted, each once and in this order"

#!/usr/bin/env bash
# What the walk-throughs share: which org, who is logged in, a tail in the background, and waiting. It is no script of
# its own, they `source` it; it needs bash 4.4 or later.
#
#   COMETAIL        the program (default: cometail)
#   COMETAIL_URL    the org, such as https://acme.my.salesforce.com; without it an emulator is started
#   COMETAIL_TOKEN  an access token for that org
#
# Secrets are in no argument of a program: cometail reads its variable, curl reads a pipe.

cometail=${COMETAIL:-cometail}
version=61.0
work=$(mktemp -d)
background=()
# Functions to call at the end, the last first.
undo=()

say() { printf '\n== %s\n' "$*"; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

at_the_end() { undo=("$1" "${undo[@]}"); }

clean_up() {
    local code=$? command
    trap - EXIT
    for command in "${undo[@]}"; do "$command" || code=1; done
    [ ${#background[@]} -eq 0 ] || kill "${background[@]}" 2>/dev/null || true
    wait
    if [ "$code" -ne 0 ]; then tail -n 20 "$work"/*.log 2>/dev/null >&2 || true; fi
    rm -rf "$work"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# soon WHAT COMMAND...: waits until the command succeeds, at most a minute.
soon() {
    local what=$1 end=$((SECONDS + 60))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || die "not within a minute: $what"
        sleep 0.1
    done
}

# member NAME: the first string of that name in the JSON on standard input.
member() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# rest METHOD PATH [BODY]: what the org's REST API answers below /services/data/vXX.X/.
rest() {
    local body=() answer
    [ $# -lt 3 ] || body=(--header 'Content-Type: application/json' --data "$3")
    answer=$(curl --silent --show-error --fail-with-body --max-time 60 --request "$1" "${body[@]}" \
        --config <(printf 'header = "Authorization: Bearer %s"\n' "$COMETAIL_TOKEN") \
        "$COMETAIL_URL/services/data/v$version/$2") || die "$1 $2: $answer"
    [ -z "$answer" ] || printf '%s\n' "$answer"
}

# The guide's login for development: SOAP, with user name and password.
soap_login() {
    printf '%s' '<se:Envelope xmlns:se="http://schemas.xmlsoap.org/soap/envelope/"><se:Body>' \
        '<login xmlns="urn:partner.soap.sforce.com"><username>admin@example.com</username>' \
        '<password>password</password></login></se:Body></se:Envelope>' |
        curl --silent --show-error --fail-with-body --max-time 60 --header 'Content-Type: text/xml' \
            --header "SOAPAction: ''" --data-binary @- "$COMETAIL_URL/services/Soap/u/$version" |
        sed -n 's#.*<sessionId>\(.*\)</sessionId>.*#\1#p'
}

start_emulator() {
    "$cometail" emulator --listen 127.0.0.1:0 --quiet --strict --login \
        >"$work/endpoint" 2>"$work/emulator.log" &
    background+=($!)
    soon "the emulator's address" test -s "$work/endpoint"
    COMETAIL_URL=$(sed 's#/cometd/.*##' "$work/endpoint")
    # No proxy stands between this machine and itself.
    export NO_PROXY="127.0.0.1${NO_PROXY:+,$NO_PROXY}" no_proxy="127.0.0.1${no_proxy:+,$no_proxy}"
}

log_in() {
    if [ -z "${COMETAIL_URL:-}" ]; then
        say "An emulator, and the guide's login to it"
        start_emulator
        COMETAIL_TOKEN=$(soap_login)
    fi
    [ -n "${COMETAIL_TOKEN:-}" ] || die "no access token: is COMETAIL_TOKEN set?"
    COMETAIL_URL=${COMETAIL_URL%/}
    export COMETAIL_URL COMETAIL_TOKEN
    say "Who is logged in to $COMETAIL_URL"
    "$cometail" whoami --url "$COMETAIL_URL"
    user=$("$cometail" whoami --url "$COMETAIL_URL" --json | member user_id)
    [ -n "$user" ] || die "the org does not say who that is"
}

# tail_channel CHANNEL: its events from now on, one a line, go to the file $events.
tail_channel() {
    events=$work/events
    COMETAIL_LOG=info "$cometail" tail "$COMETAIL_URL/cometd/$version" "$1" >"$events" 2>"$work/tail.log" &
    background+=($!)
    soon "a subscription to $1" grep -q 'live: waiting for events' "$work/tail.log"
}

# seen TEXT...: an event has all of these texts.
seen() {
    local lines text
    lines=$(cat "$events")
    for text in "$@"; do lines=$(grep -F -- "$text" <<<"$lines") || return 1; done
}

# expect_event WHAT TEXT...: waits for such an event, and shows it.
expect_event() {
    local what=$1
    shift
    soon "$what" seen "$@"
    printf '%s:\n' "$what"
    grep -F -- "${*: -1}" "$events" | tail -n 1
}

#!/bin/sh
# Starts two programs and has a model answer what they ask, through `runstate work`. Stop it with ctrl-c and start it again: nothing is
# asked twice.
#
#   MODEL='your-model --print' sh examples/watch.sh
#
# MODEL is a command that reads a prompt from standard input and writes the answer to standard output, as the command lines of
# most models do. Without one a few lines of shell stand in for it.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
runstate=${RUNSTATE:-runstate}
store=${STORE:-file:$here/../target/watch}
MODEL=${MODEL:-"sh '$here/watch.sh' --stand-in"}

# What answers when no model does: it looks at what is wanted and says the least that fits.
if [ "${1:-}" = --stand-in ]; then
  prompt=$(cat)
  case $prompt in
    *"for how many years"*) echo '{"name": "Model", "years": 3}' ;;
    *"Which languages"*) echo '["Shell"]' ;;
    *crashes* | *slow*) echo bug ;;
    *remember*) echo feature ;;
    *"is that right"*) echo question ;;
    *"When could you start"*) echo now ;;
    *"May we keep"*) echo yes ;;
    *) echo "A line of shell." ;;
  esac
  exit 0
fi

# The names of the executions: what is there already goes on where it was.
"$runstate" --store "$store" load "$here/triage.ts" >/dev/null
"$runstate" --store "$store" load "$here/interview.ts" >/dev/null
for program in triage interview; do
  "$runstate" --store "$store" show "watch-$program" >/dev/null 2>&1 ||
    "$runstate" --store "$store" start "$program" --id "watch-$program" >/dev/null 2>&1 ||
    [ $? -eq 3 ] # it waits for an answer: that is what we are here for
done

"$runstate" --store "$store" work --kind cc --exec "$MODEL" --concurrency 4 --drain
for program in triage interview; do
  echo "== $program"
  "$runstate" --store "$store" output "watch-$program"
done

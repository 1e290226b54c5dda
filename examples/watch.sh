#!/bin/sh
# Starts two programs, whose questions a model answers through `runstate work`. Stop it with ctrl-c and start it again: no question is
# asked twice.
#
#   MODEL='your-model --print' sh examples/watch.sh
#
# MODEL is a command that reads a prompt from standard input and writes the answer to standard output, as the command lines of
# most models do. Without MODEL, a few lines of shell answer instead.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
runstate=${RUNSTATE:-runstate}
store=${STORE:-file:$here/../target/watch}
MODEL=${MODEL:-"sh '$here/watch.sh' --stand-in"}

# The substitute for a model: it matches the prompt and prints the shortest valid answer.
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

# Fixed ids of the executions: an existing execution continues where it was.
"$runstate" --store "$store" load "$here/triage.ts" >/dev/null
"$runstate" --store "$store" load "$here/interview.ts" >/dev/null
for program in triage interview; do
  "$runstate" --store "$store" show "watch-$program" >/dev/null 2>&1 ||
    "$runstate" --store "$store" start "$program" --id "watch-$program" >/dev/null 2>&1 ||
    [ $? -eq 3 ] # it waits for an answer, which the worker gives below
done

"$runstate" --store "$store" work --kind cc --exec "$MODEL" --concurrency 4 --drain
for program in triage interview; do
  echo "== $program"
  "$runstate" --store "$store" output "watch-$program"
done

# Keeps a server for as long as whoever started it holds our stdin open, and ends it and its folder with that: also where that
# one is killed. Says the server's process id.
# Usage: sh keep.sh FOLDER|- PROGRAM ARGUMENT…
trap "" INT TERM HUP
folder=$1
shift
"$@" </dev/null >/dev/null 2>&1 &
server=$!
echo "$server"
read -r _
kill -9 "$server" 2>/dev/null
wait "$server" 2>/dev/null
[ "$folder" = - ] || rm -rf "$folder"

# Keeps a server running while the process that started this script holds its stdin open. Then it ends the server and
# removes its folder, even if that process was killed. Prints the server's process id. KEEPER_SIGNAL is the signal that ends
# it: KILL, if not set. The server's output is written to a file of its folder.
# Usage: sh keep.sh FOLDER|- PROGRAM ARGUMENT…
trap "" INT TERM HUP
folder=$1
shift
output=/dev/null
[ "$folder" = - ] || output=$folder/output
"$@" </dev/null >"$output" 2>&1 &
server=$!
echo "$server"
read -r _
kill -s "${KEEPER_SIGNAL:-KILL}" "$server" 2>/dev/null
wait "$server" 2>/dev/null
[ "$folder" = - ] || rm -rf "$folder"

# Keeps a server running while the process that started this script holds its stdin open. Then it ends the server and
# removes its folder, even if that process was killed. Prints the server's process id.
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

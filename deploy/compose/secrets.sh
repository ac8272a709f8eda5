#!/bin/sh
# Makes the secrets of compose.yaml, unless they are there.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets
random() { openssl rand -base64 32; }
for name in signing-key encryption-key redis-password; do
    [ -f "$name" ] || random > "$name"
done
# The demo realm's; see realm.json.
[ -f client-secret ] || printf 'authtool-demo-secret-of-the-compose-realm' > client-secret
# What a session store needs on the keys of its namespace, and what tells the health check that it lives.
cat > redis-acl <<ACL
user default on nopass -@all +ping
user sessions on >$(cat redis-password) ~authtool_bff:* resetchannels +@read +@write +@scripting -@dangerous +time +ping +client|tracking +info +config|get
ACL
# The containers run as nobody in particular, and Compose mounts files as they are.
chmod 0644 ./*
chmod 0711 .
echo "secrets/ is ready"

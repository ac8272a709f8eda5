// What the provider stores, in this process's memory.
//
// oidc-provider brings an in-memory adapter of its own, but that one keeps 1,000 entries and then
// drops the oldest, which a load test would notice as sessions that end by themselves.

const SWEEP_EVERY = 10_000;

/** An adapter factory for oidc-provider's `adapter` option, with a store of its own. */
export function memoryStore() {
  const records = new Map();
  const byUid = new Map();
  const byGrant = new Map();
  let writes = 0;

  const now = () => Math.floor(Date.now() / 1000);

  function read(key) {
    const record = records.get(key);
    if (record === undefined) return undefined;
    if (record.expiresAt <= now()) {
      remove(key);
      return undefined;
    }
    return record.payload;
  }

  function remove(key) {
    const record = records.get(key);
    records.delete(key);
    if (record === undefined) return;
    if (byUid.get(record.payload.uid) === key) byUid.delete(record.payload.uid);
    const { grantId } = record.payload;
    const members = byGrant.get(grantId);
    members?.delete(key);
    if (members?.size === 0) byGrant.delete(grantId);
  }

  function sweep() {
    for (const [key, { expiresAt }] of records) if (expiresAt <= now()) remove(key);
  }

  return (model) => {
    const keyOf = (id) => `${model}:${id}`;
    // A grant's own record names no grant; every token and code issued under it does.
    return {
      async upsert(id, payload, expiresIn) {
        const key = keyOf(id);
        remove(key);
        records.set(key, { payload, expiresAt: expiresIn === undefined ? Infinity : now() + expiresIn });
        if (payload.uid !== undefined) byUid.set(payload.uid, key);
        if (payload.grantId !== undefined && model !== 'Session' && model !== 'Interaction') {
          if (!byGrant.has(payload.grantId)) byGrant.set(payload.grantId, new Set());
          byGrant.get(payload.grantId).add(key);
        }
        writes += 1;
        if (writes % SWEEP_EVERY === 0) sweep();
      },
      async find(id) {
        return read(keyOf(id));
      },
      async findByUid(uid) {
        const key = byUid.get(uid);
        return key === undefined ? undefined : read(key);
      },
      // The device flow, the only reader of user codes, is not offered.
      async findByUserCode() {
        return undefined;
      },
      async consume(id) {
        const payload = read(keyOf(id));
        if (payload !== undefined) payload.consumed = now();
      },
      async destroy(id) {
        remove(keyOf(id));
      },
      async revokeByGrantId(grantId) {
        for (const key of [...(byGrant.get(grantId) ?? [])]) remove(key);
      },
    };
  };
}

// A worker among several, on one store: moves money between 16 accounts by guarded batches, counts by increment and by update, and
// looks at all accounts at once. Sends { moved, conflicts, looks } when it is done.
import { parentPort, workerData } from "node:worker_threads";
import { open } from "crabkv";

const { directory, worker, rounds, accounts, total } = workerData;
const db = await open(directory, { sync: "os", cache: worker % 2 === 0 && { entries: 100 } });
const some = () => Math.floor(Math.random() * accounts);
const said = { moved: 0, conflicts: 0, looks: 0 };

/** Whether the batch was committed: not when somebody else wrote to one of the two in between. */
async function transfer(from, to) {
  const [a, b] = [await db.getEntry(`account:${from}`), await db.getEntry(`account:${to}`)];
  const amount = 1 + Math.floor(Math.random() * 5);
  if (from === to || Number(a.value) < amount) return undefined;
  const { committed } = await db.batch([
    { type: "check", key: "open", if: "present" },
    { type: "put", key: `account:${from}`, value: String(Number(a.value) - amount), if: { version: a.version } },
    { type: "put", key: `account:${to}`, value: String(Number(b.value) + amount), if: { version: b.version } },
  ]);
  return committed;
}

const all = Array.from({ length: accounts }, (_, i) => `account:${i}`);
for (let i = 0; i < rounds; i++) {
  await db.increment(`count:${i % accounts}`);
  await db.update(`list:${i % accounts}`, (old) => `${old ?? ""}.`);
  const committed = await transfer(some(), some());
  if (committed === true) said.moved++;
  if (committed === false) said.conflicts++;
  if (i % 4 !== 0) continue;
  const values = i % 8 === 0 ? await db.getMany(all) : db.getManySync(all);
  const sum = values.reduce((before, value) => before + Number(value), 0);
  if (sum !== total) throw new Error(`${total} became ${sum}: ${values.join()}`);
  said.looks++;
}
await db.close();
parentPort.postMessage(said);

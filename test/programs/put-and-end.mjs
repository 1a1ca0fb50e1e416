// What a first script looks like: no close(), nothing after the put.
import { open } from "../../dist/index.js";

const [directory, sync] = process.argv.slice(2);
const db = await open(directory, { sync: JSON.parse(sync) });
await db.put("key", "value");

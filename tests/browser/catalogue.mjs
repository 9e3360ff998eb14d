// A small catalogue with a hostile title, trained and served, for tests in a browser.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const HOSTILE = `<img src=x onerror="document.title='broken'"><script>document.title='broken'</script> & "so on"`;

/** A deterministic stream of numbers in 0..1. */
function stream(seed) {
  let x = seed >>> 0;
  return () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x / 2 ** 32;
  };
}

/** An .npy file of 32-bit floats. */
function npy(rows) {
  const shape = `(${rows.length}, ${rows[0].length})`;
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`;
  const padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const head = Buffer.concat([Buffer.from([0x93]), Buffer.from("NUMPY"), Buffer.from([1, 0, padded.length & 255, padded.length >> 8]), Buffer.from(padded)]);
  return Buffer.concat([head, Buffer.from(new Float32Array(rows.flat()).buffer)]);
}

/** Writes a data folder: customers of three tastes, items of three kinds. */
export function writeCatalogue(folder) {
  mkdirSync(folder, { recursive: true });
  const random = stream(7);
  const kinds = ["bib", "lamp", "puzzle"];
  const [users, items] = [60, 45];
  const lines = ["userID\titemID\tx_label"];
  for (let user = 0; user < users; user++) {
    const liked = new Set();
    while (liked.size < 8) {
      const kind = random() < 0.8 ? user % 3 : Math.floor(random() * 3);
      liked.add(kind + 3 * Math.floor(random() * (items / 3)));
    }
    [...liked].forEach((item, n) => lines.push(`customer ${user}\titem${item}\t${n < 6 ? 0 : n - 5}`));
  }
  writeFileSync(join(folder, "shop.inter"), lines.join("\n") + "\n");
  const titles = Array.from({ length: items }, (_, i) => (i === 0 ? HOSTILE : `A ${kinds[i % 3]}, no. ${i}`));
  writeFileSync(join(folder, "items.jsonl"), titles.map((title, i) => JSON.stringify({ id: `item${i}`, title })).join("\n") + "\n");
  const order = Array.from({ length: items }, (_, i) => `item${i}`);
  writeFileSync(join(folder, "item_ids.txt"), order.join("\n") + "\n");
  for (const [name, spread] of [["text", 0.3], ["image", 0.6]]) {
    const row = (item) => Array.from({ length: 12 }, (_, c) => (Number(item.slice(4)) % 3 === c % 3 ? 1 : 0) + spread * (random() - 0.5));
    writeFileSync(join(folder, `${name}_feat.npy`), npy(order.map(row)));
  }
}

/** Trains VIRAL on the folder and serves the model; gives the address and a way to stop. */
export async function serve(program, folder, model) {
  const train = ["train", "--data", folder, "--out", model, "--overwrite", "--model", "viral", "--epochs", "4"];
  execFileSync(program, train, { stdio: ["ignore", "ignore", "inherit"] });
  const child = spawn(program, ["serve", "--model", model, "--bind", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  const address = await new Promise((resolve, reject) => {
    child.stdout.on("data", (data) => resolve(String(data).trim()));
    child.on("exit", (code) => reject(new Error(`viral serve ended with ${code}`)));
  });
  return { address, stop: () => child.kill("SIGTERM") };
}

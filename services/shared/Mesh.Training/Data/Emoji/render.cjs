// render.cjs SIDE: reads lines {"svg": TEXT} or {"file": PATH} from standard input and writes SIDE x SIDE x 3 bytes each to standard output:
// RGB, rows from the top, on white. Ends with code 1 and a message at the first that cannot be drawn.
const readline = require('readline');
const sharp = require('sharp');

sharp.concurrency(1);
sharp.cache(false);
const side = Number(process.argv[2]);
const white = { r: 255, g: 255, b: 255, alpha: 1 };

async function draw(line) {
  const job = JSON.parse(line);
  const picture = sharp(job.svg === undefined ? job.file : Buffer.from(job.svg));
  const bytes = await picture.resize(side, side, { fit: 'contain', background: white, kernel: 'lanczos3' })
    .flatten({ background: white }).toColourspace('srgb').removeAlpha().raw().toBuffer();
  if (bytes.length !== side * side * 3) throw new Error(`${bytes.length} bytes instead of ${side * side * 3}`);
  return bytes;
}

async function main() {
  const lines = [];
  for await (const line of readline.createInterface({ input: process.stdin })) if (line) lines.push(line);
  for (let i = 0; i < lines.length; i++) {
    let bytes;
    try {
      bytes = await draw(lines[i]);
    } catch (fault) {
      throw new Error(`picture ${i}: ${fault.message}`);
    }
    if (!process.stdout.write(bytes)) await new Promise(resolve => process.stdout.once('drain', resolve));
  }
}

main().catch(fault => {
  process.stderr.write(`${fault.message}\n`);
  process.exitCode = 1;
});

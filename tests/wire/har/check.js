// Checks captures against the schema of HAR 1.2: node check.js FILE...
'use strict';
const fs = require('node:fs');
const validate = require('har-validator');

async function check(file) {
  const capture = JSON.parse(fs.readFileSync(file, 'utf8'));
  await validate.har(capture);
  return capture.log.entries.length;
}

async function main(files) {
  if (files.length === 0) throw new Error('no captures');
  for (const file of files) {
    try {
      console.log(`${file}: HAR 1.2, ${await check(file)} entries`);
    } catch (error) {
      console.error(`${file}: ${error.message} ${JSON.stringify((error.errors ?? []).slice(0, 5))}`);
      process.exitCode = 1;
    }
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});

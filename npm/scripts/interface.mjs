// Compares the types of each entry with the record of them in interface/, so that whoever changes one sees it in the diff.
//
//   npm run interface              fails, and says what is different
//   UPDATE=1 npm run interface     writes the records anew
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';

const npm = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const update = process.env.UPDATE !== undefined;
const folder = join(npm, 'interface');
mkdirSync(folder, { recursive: true });
const made = mkdtempSync(join(tmpdir(), 'authtool-interface-'));

/** The entries that have types, as the package names them. */
const manifest = JSON.parse(readFileSync(join(npm, 'package.json'), 'utf8'));
const entries = Object.entries(manifest.exports)
  .map(([name, how]) => ({ name: name === '.' ? 'index' : name.slice(2), types: how.import?.types }))
  .filter(({ types }) => types);

for (const { name, types } of entries) {
  const { apiReportChanged, errorCount } = Extractor.invoke(
    ExtractorConfig.prepare({
      packageJsonFullPath: join(npm, 'package.json'),
      configObjectFullPath: undefined,
      configObject: {
        projectFolder: npm,
        mainEntryPointFilePath: join(npm, types),
        compiler: { tsconfigFilePath: join(npm, 'tsconfig.json') },
        newlineKind: 'lf',
        apiReport: { enabled: true, reportFolder: folder, reportTempFolder: made, reportFileName: `${name}.api.md`, includeForgottenExports: true },
        docModel: { enabled: false },
        dtsRollup: { enabled: false },
      },
    }),
    {
      localBuild: update,
      showVerboseMessages: false,
      messageCallback: (message) => {
        // It wants release tags and comments in its own dialect. What is different is said below, for all entries alike.
        if (message.logLevel !== ExtractorLogLevel.Error) message.logLevel = ExtractorLogLevel.None;
      },
    },
  );
  if (errorCount > 0) process.exitCode = 1;
  const record = join(folder, `${name}.api.md`);
  if (update || !apiReportChanged) continue;
  const lines = (path) => (existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []);
  const [before, now] = [lines(record), lines(join(made, `${name}.api.md`))];
  console.error(`error: the types of ./${name} are not those in interface/${name}.api.md:`);
  for (const line of before.filter((line) => !now.includes(line))) console.error(`  - ${line}`);
  for (const line of now.filter((line) => !before.includes(line))) console.error(`  + ${line}`);
  console.error('If that is meant, say it in CHANGELOG.md, and accept it with: UPDATE=1 npm run interface');
  process.exitCode = 1;
}
rmSync(made, { recursive: true });

// Drives a release of @openhands/typescript-client as its README shows, from inside its own environment.
//
//   node ts_program.mjs DIRECTORY [browser|node|fresh]
//
// DIRECTORY has the package in its node_modules, or is a built checkout of it.
//
// The protocol is that of `sdk_program.py`: commands as JSON lines on stdin, reports as JSON lines on stdout, what the library
// prints goes to stderr, all times are CLOCK_MONOTONIC nanoseconds.
//
// `browser` (the default) gives the library what it is made for: a `window` with a WebSocket, that of `ws`, its own dependency.
// `node` gives it nothing; its stream then cannot open, because it asks for `ws` in a way that an ES module cannot. `fresh` is
// `browser`, and asks the server with `state.refresh()` before it reads a status: the library's own way past its cache.
//
// `run()` of this library only starts a run. What a user adds to have the end and the events is ours, and no more than that:
// read `state.getAgentStatus()` every half second (as the package's own integration tests do) until it is a word at which
// nothing goes on, then `await state.events.getEvents()` (the README's way to the events list), and throw when the run failed.
// `idle` is not taken for an end: a run starts from it. A status that could not be asked for is asked for again, as the SDK for
// Python does it; an answer that refuses (4xx) ends the run.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const PACKAGE = '@openhands/typescript-client';
const POLL_EVERY_MS = 500;
const RESTING = new Set(['finished', 'error', 'stuck', 'paused', 'waiting_for_confirmation']);
const FAILED = new Set(['error', 'stuck']);
/** So many errors that the library handed to `onError` are reported; a stream that cannot open has one for each attempt. */
const MOST_SWALLOWED = 20;

const now = () => process.hrtime.bigint();
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);

/** Write one report. Nanoseconds do not fit into a number for ever: they are written as the integer that they are. */
function report(word, told = {}, t_ns = now()) {
  write(`${JSON.stringify({ is: word, ...told }).slice(0, -1)},"t_ns":${t_ns}}\n`);
}

class RunFailed extends Error {
  name = 'RunFailed';
}

const typeOf = (error) => error?.name ?? typeof error;

/** What an error says, with the error that it stands on: fetch hides the reason there. */
function textOf(error) {
  const said = error instanceof Error ? error.message : String(error);
  const cause = error?.cause?.cause ?? error?.cause;
  return cause && cause.message && !said.includes(cause.message) ? `${said} (${cause.message})` : said;
}

/** One conversation of one release of the library. */
class Program {
  #library;
  #conversation;
  #held = 0;
  #swallowed = 0;
  #fresh;

  constructor(library, fresh) {
    this.#library = library;
    this.#fresh = fresh;
  }

  /** Create the conversation, or attach to it; subscribe; report its id, which the server chooses. */
  async create(command) {
    const { Agent, Conversation, Workspace } = this.#library;
    const agent = new Agent({
      llm: {
        usage_id: 'scripted',
        model: 'openai/mock',
        base_url: command.model_url,
        api_key: 'scripted',
        num_retries: command.model_retries,
        retry_min_wait: 1,
        retry_max_wait: 2,
      },
      tools: [{ name: 'terminal', params: { no_change_timeout_seconds: command.tool_patience_s } }],
    });
    const workspace = new Workspace({ host: command.host, workingDir: command.working_dir, apiKey: command.key });
    this.#conversation = new Conversation(agent, workspace, {
      ...(command.exists ? { conversationId: command.conversation } : {}),
      callback: (event) => report('event', { reading: 'callback:0', event }),
      onError: (error) => this.#swallow(error),
    });
    await this.#conversation.start({ maxIterations: command.max_iterations });
    await this.#conversation.startWebSocketClient();
    if (command.confirm) {
      await this.#conversation.setConfirmationPolicy({ kind: 'AlwaysConfirm' });
    }
    report('created', { conversation: this.#conversation.id });
  }

  /** Post a user message. */
  async send(command) {
    await this.#conversation.sendMessage(command.text);
    report('sent');
  }

  /** Start a run and follow it to its end, while other commands come. */
  run(command) {
    void this.#run(command.number);
  }

  /** Report what a user who asks now is given, and end as the README says. */
  async close() {
    if (this.#conversation !== undefined) {
      await this.#reportHeld(true);
      await this.#conversation.close();
    }
  }

  async #run(number) {
    report('called', { number });
    const end = { number };
    try {
      await this.#conversation.run();
      end.status = await this.#rest();
      end.reading = await this.#reportHeld(false);
      if (FAILED.has(end.status)) {
        throw new RunFailed(`the run ended in ${end.status}`);
      }
    } catch (error) {
      Object.assign(end, { type: typeOf(error), error: textOf(error) });
    }
    report('type' in end ? 'raised' : 'returned', end);
  }

  /** The library keeps errors of its stream to itself, but for `onError`; its messages are all that tells them apart. */
  #swallow(error) {
    if (this.#swallowed++ < MOST_SWALLOWED) {
      const did = textOf(error).startsWith('Failed to create WebSocket connection') ? 'subscribe' : 'decode';
      report('swallowed', { did, type: typeOf(error), error: textOf(error) });
    }
  }

  /** The first status at which nothing goes on, as the library shows it. */
  async #rest() {
    for (;;) {
      const status = await this.#shown();
      if (RESTING.has(status)) {
        return status;
      }
      await pause(POLL_EVERY_MS);
    }
  }

  async #shown() {
    try {
      if (this.#fresh) {
        await this.#conversation.state.refresh();
      }
      return await this.#conversation.state.getAgentStatus();
    } catch (error) {
      if (error.status >= 400 && error.status < 500 && error.status !== 429) {
        throw error;
      }
      process.stderr.write(`the status could not be asked for: ${textOf(error)}\n`);
      return '';
    }
  }

  async #reportHeld(final) {
    const held = await this.#conversation.state.events.getEvents();
    const reading = `held:${this.#held++}`;
    const t_ns = now();
    report('held', { reading, count: held.length, final }, t_ns);
    for (const event of held) {
      report('event', { reading, event }, t_ns);
    }
    return reading;
  }
}

/** The release that a module belongs to: what the nearest package.json of that name says. */
function versionOf(module) {
  for (let place = dirname(module); place !== dirname(place); place = dirname(place)) {
    const file = join(place, 'package.json');
    const told = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
    if (told.name === PACKAGE) {
      return told.version;
    }
  }
  return '';
}

async function main(directory, way = 'browser') {
  const require = createRequire(pathToFileURL(join(directory, 'program.mjs')));
  const entry = require.resolve(PACKAGE);
  if (way !== 'node') {
    // From beside the library: `ws` is its own dependency, not one of the directory.
    globalThis.window = { WebSocket: createRequire(entry)('ws') };
  }
  const program = new Program(await import(pathToFileURL(entry)), way === 'fresh');
  report('ready', { version: versionOf(entry) });
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const command = JSON.parse(line);
    try {
      await program[command.do](command);
    } catch (error) {
      report('failed', { did: command.do, type: typeOf(error), error: textOf(error) });
    }
    if (command.do === 'close') {
      break;
    }
  }
}

process.on('uncaughtException', (error) => {
  process.stderr.write(`${error?.stack ?? error}\n${typeOf(error)}: ${textOf(error)}\n`);
  process.exit(1);
});

await main(...process.argv.slice(2));
// What a pipe could not take at once is written later, and an exit would lose it: a long list is out when this write is.
await new Promise((written) => write('', written));
// The library's timers and sockets may still wait for a server that is gone.
process.exit(0);

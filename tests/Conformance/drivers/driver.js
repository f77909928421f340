// grpc-js as a client of our server, and as a server for our client. Takes one JSON command a line on stdin:
//   {"id": 1, "do": "call", ...}
// and answers on stdout with {"id": 1, "ok": ...} or {"id": 1, "error": "..."}. Bytes travel as base64.
'use strict';
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const readline = require('readline');
const path = require('path');

const protos = process.argv[2];
const definition = loader.loadSync(
  ['conformance.proto', 'health.proto', 'reflection_v1.proto', 'reflection_v1alpha.proto'].map(f => path.join(protos, f)),
  { keepCase: true, longs: Number, enums: Number, defaults: true, oneofs: true, includeDirs: [protos] });
const roots = grpc.loadPackageDefinition(definition);

const serviceOf = name => name.split('.').reduce((o, part) => o[part], roots);

// One client per address and options: calls of a test share a connection as an application's would.
const clients = new Map();
function clientFor(a) {
  const options = {};
  if (a.maxReceive) options['grpc.max_receive_message_length'] = a.maxReceive;
  if (a.maxSend) options['grpc.max_send_message_length'] = a.maxSend;
  if (a.compress) options['grpc.default_compression_algorithm'] = 2;
  const key = JSON.stringify([a.service, a.address, options, a.alone ? a.id : 0]);
  if (!clients.has(key)) {
    const Client = serviceOf(a.service);
    clients.set(key, new Client(a.address, grpc.credentials.createInsecure(), options));
  }
  return clients.get(key);
}

function metadataOf(pairs) {
  const m = new grpc.Metadata();
  for (const [k, v] of pairs || []) m.add(k, k.endsWith('-bin') ? Buffer.from(v, 'base64') : v);
  return m;
}

function pairsOf(metadata) {
  const pairs = [];
  if (!metadata) return pairs;
  for (const key of Object.keys(metadata.getMap())) {
    for (const v of metadata.get(key)) pairs.push([key, Buffer.isBuffer(v) ? v.toString('base64') : v]);
  }
  return pairs;
}

// Bytes in a message are marked {"$b": base64} on the way in, and come out so.
function revive(o) {
  if (Array.isArray(o)) return o.map(revive);
  if (o && typeof o === 'object') {
    if ('$b' in o) return Buffer.from(o.$b, 'base64');
    return Object.fromEntries(Object.entries(o).map(([k, v]) => [k, revive(v)]));
  }
  return o;
}
function plain(o) {
  if (Buffer.isBuffer(o)) return o.length > 65536 ? { $len: o.length } : { $b: o.toString('base64') };
  if (Array.isArray(o)) return o.map(plain);
  if (o && typeof o === 'object') return Object.fromEntries(Object.entries(o).map(([k, v]) => [k, plain(v)]));
  return o;
}

function* requestsOf(a) {
  for (const m of a.messages || []) yield revive(m);
  if (a.repeat) for (let i = 0; i < a.repeat.count; i++) yield { count: i, payload: Buffer.alloc(a.repeat.size) };
}

const running = new Map();

function call(a) {
  return new Promise(resolve => {
    const client = clientFor(a);
    const result = { count: 0, bytes: 0, headers: [], first: [] };
    const method = serviceOf(a.service).service[a.method];
    const options = {};
    if (a.deadlineMs) options.deadline = Date.now() + a.deadlineMs;
    const metadata = metadataOf(a.metadata);
    const finish = (status) => {
      running.delete(a.name);
      result.code = status.code;
      result.details = status.details;
      result.trailers = pairsOf(status.metadata);
      resolve(result);
    };
    const take = message => {
      result.count++;
      if (message.payload) result.bytes += message.payload.length;
      if (result.first.length < 3) result.first.push(plain(message));
      result.last = plain(message);
      if (a.cancelAfter && result.count === a.cancelAfter) c.cancel();
      if (a.pauseAfter && result.count === a.pauseAfter) c.pause();
      if (a.stopAfter && result.count === a.stopAfter) c.end();
    };
    let c;
    if (!method.requestStream && !method.responseStream) {
      c = client[a.method](requestsOf(a).next().value || {}, metadata, options, (error, reply) => { if (reply) take(reply); });
    } else if (!method.requestStream) {
      c = client[a.method](requestsOf(a).next().value || {}, metadata, options);
    } else if (!method.responseStream) {
      c = client[a.method](metadata, options, (error, reply) => { if (reply) take(reply); });
    } else {
      c = client[a.method](metadata, options);
    }
    running.set(a.name, c);
    if (method.responseStream) {
      c.on('data', take);
      c.on('error', () => { /* the status event tells */ });
    }
    c.on('metadata', m => { result.headers = pairsOf(m); });
    c.on('status', finish);
    if (method.requestStream) {
      c.on('error', () => { });
      (async () => {
        for (const m of requestsOf(a)) {
          if (!c.write(m)) await new Promise(r => { c.once('drain', r); c.once('status', r); });
        }
        if (!a.keepOpen) c.end();
      })();
    }
    if (a.cancelAfterMs) setTimeout(() => c.cancel(), a.cancelAfterMs);
  });
}

// The server's side.
const probes = new Map();
function probe(name) {
  if (!probes.has(name)) probes.set(name, { started: 0, cancelled: 0, received: 0, written: 0, released: null, waiting: [] });
  return probes.get(name);
}

function failure(code, details, metadata) { return Object.assign(new Error(details), { code, details, metadata }); }

function trailersFor(c) {
  const trailers = new grpc.Metadata();
  const headers = new grpc.Metadata();
  for (const [k, v] of pairsOf(c.metadata)) {
    const value = k.endsWith('-bin') ? Buffer.from(v, 'base64') : v;
    if (k.startsWith('x-h')) headers.add(k, value);
    if (k.startsWith('x-t')) trailers.add(k, value);
  }
  c.sendMetadata(headers);
  return trailers;
}

function collect(c, callback) {
  let number = 0, total = 0;
  c.on('data', m => { number++; total += m.payload.length; const p = m.probe && probe(m.probe); if (p) p.received++; });
  c.on('end', () => callback(null, { number, total }));
  c.on('error', () => { });
}

const attempts = new Map();
const handlers = {
  Echo: (c, callback) => {
    const trailers = trailersFor(c);
    callback(null, { payload: c.request.payload, text: c.request.text }, trailers);
  },
  Packed: (c, callback) => callback(null, { payload: c.request.payload, text: c.request.text }),
  Collect: collect,
  CollectLate: (c, callback) => {
    const name = (c.metadata.get('probe')[0]) || 'late';
    const p = probe(name);
    p.started++;
    p.waiting.push(() => collect(c, callback));
  },
  Expand: async c => {
    const { count, size, code, probe: name } = c.request;
    const p = probe(name || 'expand');
    p.started++;
    c.on('cancelled', () => { p.cancelled++; });
    const payload = Buffer.alloc(size);
    for (let i = 0; i < count && !c.cancelled; i++) {
      const more = c.write({ number: i, payload });
      p.written++;
      if (!more) await new Promise(r => { c.once('drain', r); c.once('cancelled', r); });
    }
    if (code) c.emit('error', failure(code, c.request.text)); else c.end();
  },
  Chat: c => {
    const name = (c.metadata.get('probe')[0]) || 'chat';
    const p = probe(name);
    p.started++;
    c.on('cancelled', () => { p.cancelled++; });
    c.on('data', m => { p.received++; c.write({ payload: m.payload, text: m.text, number: m.count }); });
    c.on('end', () => c.end());
    c.on('error', () => { });
  },
  Fail: (c, callback) => {
    const { code, text, payload, probe: name, count } = c.request;
    const trailers = new grpc.Metadata();
    if (payload.length) trailers.set('grpc-status-details-bin', payload);
    if (name) {
      const made = (attempts.get(name) || 0) + 1;
      attempts.set(name, made);
      probe(name).started = made;
      // count: how many attempts fail before one succeeds.
      if (count && made > count) return callback(null, { number: made, text: (c.metadata.get('grpc-previous-rpc-attempts')[0] || '') });
    }
    if (!code) return callback(null, { text });
    callback(failure(code, text, trailers));
  },
  Wait: (c, callback) => {
    const p = probe(c.request.probe || 'wait');
    p.started++;
    c.on('cancelled', () => { p.cancelled++; });
    p.waiting.push(() => callback(null, { text: 'released' }));
  },
  TimeLeft: (c, callback) => {
    const d = c.getDeadline();
    callback(null, { number: d === Infinity ? -1 : (d instanceof Date ? d.getTime() : d) - Date.now() });
  },
  Relay: (c, callback) => callback(failure(12, 'not here')),
};

const servers = new Map();

const commands = {
  call,
  cancel: a => { running.get(a.name).cancel(); return {}; },
  resume: a => { running.get(a.name).resume(); return {}; },
  serve: a => new Promise((resolve, reject) => {
    const options = {};
    if (a.maxReceive) options['grpc.max_receive_message_length'] = a.maxReceive;
    if (a.compress) options['grpc.default_compression_algorithm'] = 2;
    const server = new grpc.Server(options);
    server.addService(roots.vigil.conformance.v1.Conformance.service, handlers);
    server.bindAsync(`127.0.0.1:${a.port || 0}`, grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error) return reject(error);
      servers.set(port, server);
      resolve({ port });
    });
  }),
  stop: a => { servers.get(a.port).forceShutdown(); servers.delete(a.port); return {}; },
  probe: a => { const { started, cancelled, received, written } = probe(a.name); return { started, cancelled, received, written }; },
  release: a => { for (const go of probe(a.name).waiting.splice(0)) go(); return {}; },
  version: () => ({ version: `grpc-js ${require('@grpc/grpc-js/package.json').version}, node ${process.version}` }),
};

const say = o => process.stdout.write(JSON.stringify(o) + '\n');
const lines = readline.createInterface({ input: process.stdin });
lines.on('line', async line => {
  const a = JSON.parse(line);
  try {
    say({ id: a.id, ok: await commands[a.do](a) });
  } catch (e) {
    say({ id: a.id, error: String(e && e.stack || e) });
  }
});
// The test run is over, however it ended: nothing of it stays behind.
lines.on('close', () => process.exit(0));

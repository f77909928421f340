// Records some of everything with OpenTelemetry's SDK and exports it twice.
// node otlp.js json|protobuf|grpc cumulative|delta URL TOKEN gzip|none
'use strict';

const { MeterProvider, PeriodicExportingMetricReader, AggregationType } = require('@opentelemetry/sdk-metrics');
const { resourceFromAttributes } = require('@opentelemetry/resources');

const [protocol, temporality, url, token, compression] = process.argv.slice(2);

function exporter() {
  const options = { url, compression, temporalityPreference: temporality === 'delta' ? 0 : 1 };
  const headers = { authorization: `Bearer ${token}` };
  if (protocol === 'json') return new (require('@opentelemetry/exporter-metrics-otlp-http').OTLPMetricExporter)({ ...options, headers });
  if (protocol === 'protobuf') return new (require('@opentelemetry/exporter-metrics-otlp-proto').OTLPMetricExporter)({ ...options, headers });
  const metadata = new (require('@grpc/grpc-js').Metadata)();
  metadata.set('authorization', headers.authorization);
  return new (require('@opentelemetry/exporter-metrics-otlp-grpc').OTLPMetricExporter)({ ...options, metadata });
}

async function main() {
  const failures = [];
  const sending = exporter();
  const original = sending.export.bind(sending);
  sending.export = (metrics, done) => original(metrics, result => {
    if (result.code !== 0) failures.push(String(result.error));
    done(result);
  });
  const provider = new MeterProvider({
    resource: resourceFromAttributes({ 'service.name': 'cart', 'service.namespace': 'shop', 'service.instance.id': 'js-1', 'host.name': 'h1' }),
    readers: [new PeriodicExportingMetricReader({ exporter: sending, exportIntervalMillis: 3600000 })],
    views: [{ instrumentName: 'wait', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  });
  const meter = provider.getMeter('lib', '1.2');
  const hits = meter.createCounter('hits', { unit: '{request}', description: 'Requests served.' });
  const open = meter.createUpDownCounter('open.connections');
  meter.createObservableGauge('temperature', { unit: 'Cel' }).addCallback(result => result.observe(36.6, { 'sensor.name': 'a' }));
  const size = meter.createHistogram('size', { unit: 'By', advice: { explicitBucketBoundaries: [10, 100] } });
  const wait = meter.createHistogram('wait', { unit: 's' });
  for (let round = 0; round < 2; round++) {
    hits.add(3, { route: '/a' });
    open.add(round === 0 ? 5 : -2);
    size.record(7);
    size.record(70);
    wait.record(1.5);
    wait.record(3);
    await provider.forceFlush();
  }
  await provider.shutdown();
  if (failures.length > 0) throw new Error(failures.join('; '));
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});

import {
  context,
  type ContextManager,
  propagation,
  type TextMapPropagator,
  trace,
  type TracerProvider,
} from '@opentelemetry/api';
import { StartError } from '../platform/errors.js';
import { enableTracing } from '../platform/instrumentation.js';

/** What the environment says about traces; see the specification of OpenTelemetry. */
interface TracingEnvironment {
  OTEL_SDK_DISABLED?: string | undefined;
  OTEL_TRACES_EXPORTER?: string | undefined;
  OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined;
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?: string | undefined;
  OTEL_TRACES_SAMPLER?: string | undefined;
  OTEL_TRACES_SAMPLER_ARG?: string | undefined;
  /** In milliseconds. The SDK does not read it. */
  OTEL_BSP_SCHEDULE_DELAY?: string | undefined;
}

type Constructor<Arguments extends unknown[], Instance> = new (...given: Arguments) => Instance;

interface Resource {
  merge(other: Resource): Resource;
}

/** What we use of the SDK. The program is built and runs without these packages. */
interface Sdk {
  sdk: {
    TracerProvider: Constructor<[object], TracerProvider & { shutdown(): Promise<void> }>;
    BatchSpanProcessor: Constructor<[object], object>;
    AlwaysOnSampler: Constructor<[], object>;
    AlwaysOffSampler: Constructor<[], object>;
    TraceIdRatioBasedSampler: Constructor<[number], object>;
    ParentBasedSampler: Constructor<[object], object>;
  };
  otlp: { OTLPTraceExporter: Constructor<[], object> };
  hooks: { AsyncLocalStorageContextManager: Constructor<[], ContextManager> };
  resources: {
    defaultResource(): Resource;
    resourceFromAttributes(attributes: Record<string, string>): Resource;
    detectResources(options: object): Resource;
    resourceAttributesEnvDetector: object;
    serviceNameEnvDetector: object;
  };
  core: { W3CTraceContextPropagator: Constructor<[], TextMapPropagator> };
}

const PACKAGES = {
  sdk: '@opentelemetry/sdk-trace',
  otlp: '@opentelemetry/exporter-trace-otlp-http',
  hooks: '@opentelemetry/context-async-hooks',
  resources: '@opentelemetry/resources',
  core: '@opentelemetry/core',
} as const;

async function loadSdk(): Promise<Sdk> {
  try {
    const loaded = Object.entries(PACKAGES).map(
      async ([name, path]) => [name, (await import(path)) as unknown] as const,
    );
    return Object.fromEntries(await Promise.all(loaded)) as unknown as Sdk;
  } catch (cause) {
    throw new StartError(
      'Traces are switched on (OTEL_…), but the packages of the OpenTelemetry SDK are not installed: npm install --include=optional.',
      { cause },
    );
  }
}

/** The default of the specification. */
const SCHEDULE_DELAY_MS = 5_000;

/** Whether the environment asks for traces. */
function wantsTraces(environment: TracingEnvironment): boolean {
  const { OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER } = environment;
  if (OTEL_SDK_DISABLED?.toLowerCase() === 'true' || OTEL_TRACES_EXPORTER === 'none') return false;
  return [
    OTEL_TRACES_EXPORTER,
    environment.OTEL_EXPORTER_OTLP_ENDPOINT,
    environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
  ].some((value) => value !== undefined && value !== '');
}

/**
 * Sends spans by OTLP over HTTP if the environment asks for it. The packages of the SDK are optional and are loaded only
 * then. The exporter reads its own variables, such as OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS.
 * @returns ends the export, after the spans that are still in memory
 * @throws StartError if traces are wanted and the packages are not installed, or for an unknown exporter or sampler
 */
export async function startTracing(environment: TracingEnvironment): Promise<() => Promise<void>> {
  if (!wantsTraces(environment)) return () => Promise.resolve();
  const { OTEL_TRACES_EXPORTER: exporter = 'otlp' } = environment;
  if (exporter !== 'otlp' && exporter !== '')
    throw new StartError(`OTEL_TRACES_EXPORTER must be otlp or none, not "${exporter}"`);
  const { sdk, otlp, hooks, resources, core } = await loadSdk();
  const named = resources.resourceFromAttributes({ 'service.name': 'workflow-import-queue' });
  const detected = resources.detectResources({
    detectors: [resources.resourceAttributesEnvDetector, resources.serviceNameEnvDetector],
  });
  const provider = new sdk.TracerProvider({
    resource: resources.defaultResource().merge(named).merge(detected),
    sampler: samplerOf(sdk, environment),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: new otlp.OTLPTraceExporter(),
        scheduledDelayMillis: Number(environment.OTEL_BSP_SCHEDULE_DELAY) || SCHEDULE_DELAY_MS,
      }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new hooks.AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  enableTracing();
  return () => provider.shutdown();
}

function samplerOf(
  sdk: Sdk['sdk'],
  {
    OTEL_TRACES_SAMPLER: name = 'parentbased_always_on',
    OTEL_TRACES_SAMPLER_ARG: share = '1',
  }: TracingEnvironment,
) {
  const [, based, kind] = /^(parentbased_)?(always_on|always_off|traceidratio)$/.exec(name) ?? [];
  const ratio = Number(share);
  if (kind === undefined || !(ratio >= 0 && ratio <= 1)) {
    throw new StartError(
      'OTEL_TRACES_SAMPLER must be always_on, always_off or traceidratio, with or without parentbased_ before it, and OTEL_TRACES_SAMPLER_ARG a number from 0 to 1',
    );
  }
  const root =
    kind === 'always_on'
      ? new sdk.AlwaysOnSampler()
      : kind === 'always_off'
        ? new sdk.AlwaysOffSampler()
        : new sdk.TraceIdRatioBasedSampler(ratio);
  return based === undefined ? root : new sdk.ParentBasedSampler({ root });
}

import { context, propagation, trace } from '@opentelemetry/api';
import { StartError } from '../platform/errors.js';
import { enableTracing } from '../platform/tracing.js';

/** What the environment says about traces; see the specification of OpenTelemetry. */
export interface TracingEnvironment {
  OTEL_SDK_DISABLED?: string | undefined;
  OTEL_TRACES_EXPORTER?: string | undefined;
  OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined;
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?: string | undefined;
  OTEL_TRACES_SAMPLER?: string | undefined;
  OTEL_TRACES_SAMPLER_ARG?: string | undefined;
}

/** Whether the environment asks for traces. */
export function wantsTraces(environment: TracingEnvironment): boolean {
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
  const [sdk, otlp, hooks, resources, core] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/context-async-hooks'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/core'),
  ]).catch((cause: unknown) => {
    throw new StartError(
      'Traces are switched on (OTEL_…), but the packages of the OpenTelemetry SDK are not installed: npm install --include=optional.',
      { cause },
    );
  });
  const named = resources.resourceFromAttributes({ 'service.name': 'workflow-import-queue' });
  const detected = resources.detectResources({
    detectors: [resources.resourceAttributesEnvDetector, resources.serviceNameEnvDetector],
  });
  const provider = new sdk.TracerProvider({
    resource: resources.defaultResource().merge(named).merge(detected),
    sampler: samplerOf(sdk, environment),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter: new otlp.OTLPTraceExporter() })],
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new hooks.AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  enableTracing();
  return () => provider.shutdown();
}

function samplerOf(
  sdk: typeof import('@opentelemetry/sdk-trace'),
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

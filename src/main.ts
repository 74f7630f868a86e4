import './app/heap.js';

// A static import would load the whole application before the settings of the heap apply.
const { run } = await import('./app/run.js');
await run();

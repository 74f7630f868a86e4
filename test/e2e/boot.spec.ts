import { startTestApp } from '../support/test-app.js';

describe('the application', () => {
  it('answers an unknown route with 404', async () => {
    const { url, close } = await startTestApp();
    try {
      const response = await fetch(`${url}/no-such-route`);
      expect(response.status).toBe(404);
    } finally {
      await close();
    }
  });
});

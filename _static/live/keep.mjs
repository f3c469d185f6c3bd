// Keeps what a reader made on their own device, and forgets it when asked.

function store(mode, work) {
  return new Promise((resolve) => {
    try {
      const opening = indexedDB.open("mnist-for-beginners", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("kept");
      opening.onerror = () => resolve(); // a browser may forbid storage
      opening.onsuccess = () => {
        const transaction = opening.result.transaction("kept", mode);
        const asked = work(transaction.objectStore("kept"));
        transaction.oncomplete = () => resolve(asked.result);
        transaction.onabort = () => resolve();
      };
    } catch {
      resolve();
    }
  });
}

/** Keeps a value under a name; resolves when it is safe. */
export const keep = (name, value) => store("readwrite", (kept) => kept.put(value, name));

/** What is kept under a name, or undefined. */
export const recall = (name) => store("readonly", (kept) => kept.get(name));

/** Forgets what is kept under a name. */
export const forget = (name) => store("readwrite", (kept) => kept.delete(name));

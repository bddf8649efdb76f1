// The worker's side of the door. The page has already fetched the program, counting its bytes; the first
// message brings them, and every later one goes to the program as it is: [JSON text, ArrayBuffer or null].
const early = [];
let receive = (text, buffer) => early.push([text, buffer]);

const fatal = (what) =>
  postMessage([JSON.stringify({ say: "fatal", fault: { fault: "program", what: String(what) } }), null]);

addEventListener("unhandledrejection", (event) => fatal(event.reason));

addEventListener("message", async ({ data }) => {
  if (Array.isArray(data)) {
    receive(...data);
    return;
  }
  try {
    const program = await import(data.js);
    await program.default({ module_or_path: data.wasm });
    await program.start();
    receive = program.receive;
    for (const message of early.splice(0)) receive(...message);
  } catch (error) {
    fatal(error);
  }
});

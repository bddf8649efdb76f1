// Starts the page's program. It is a file of its own because a strict content security policy refuses
// inline scripts; the build writes the names of the program's two files into this script's element.
const { js, wasm } = document.querySelector("script[data-wasm]").dataset;
try {
  const page = await import(new URL(js, document.baseURI));
  await page.default({ module_or_path: new URL(wasm, document.baseURI) });
  page.open();
} catch (error) {
  console.warn("The page's program did not start:", error);
  document.documentElement.dataset.state = "error";
  const says = document.getElementById("boot-says");
  if (says) {
    says.textContent =
      "The program behind this page did not start in this browser. " +
      "It needs WebAssembly with SIMD: any browser from 2023 on, with JavaScript allowed. Loading the page again may help.";
  }
}

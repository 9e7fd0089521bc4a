// Line icons, 20 × 20, drawn in the colour of the text.

const NS = "http://www.w3.org/2000/svg";
const PATHS = {
  download: ["M10 3v9.5", "M6 9l4 4 4-4", "M3.5 16.5h13"],
  reuse: ["M4 8.5a6.2 6.2 0 0 1 11-2.2", "M15.5 3v3.6h-3.6", "M16 11.5a6.2 6.2 0 0 1-11 2.2", "M4.500 17v-3.600h3.600"],
  copy: ["M7.500 7.500h8.500v8.500h-8.500z", "M12.500 7.500v-3.500h-8.500v8.500h3.500"],
  bin: ["M4 5.500h12", "M8 5.500v-2h4v2", "M5.500 5.500l.700 11h7.600l.700-11", "M8.500 8.500v5", "M11.500 8.500v5"],
  close: ["M5 5l10 10", "M15 5l-10 10"],
  left: ["M12 4.500l-5.500 5.500 5.500 5.500"],
  right: ["M8 4.500l5.500 5.500-5.500 5.500"],
  info: ["M10 9v5", "M10 6v.200", "M10 2.500a7.500 7.500 0 1 0 0 15a7.500 7.500 0 1 0 0-15"],
  warning: ["M10 3l7.500 13.500h-15z", "M10 8v4", "M10 14.300v.200"],
  pause: ["M7 5v10", "M13 5v10"],
  flask: ["M8 3h4", "M8.500 3v5l-4.500 8h12l-4.500-8v-5", "M6.300 12.500h7.400"],
  spark: ["M10 3l1.700 5.300 5.300 1.700-5.300 1.700-1.700 5.300-1.700-5.300-5.300-1.700 5.300-1.700z"],
};

export function icon(name) {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  for (const d of PATHS[name]) {
    const path = document.createElementNS(NS, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/** The cost of a machine against the size of its site, as an SVG that needs nothing beside it. */
import { cpuOf, rowsOf, type Sized, spreadOf, thousands } from "./report.ts";

const WIDTH = 400;
const HEIGHT = 300;
const LEFT = 56;
const RIGHT = 24;
const TOP = 48;
const BOTTOM = 44;
/** Between the frame and the outermost points, whose labels would lie on the axis. */
const INSET = 28;
const GRID = "#d9dde2";
const INK = "#22303c";

interface Series {
  title: string;
  color: string;
  points: { size: number; value: number; low: number; high: number }[];
}

/** Both panels begin at zero, so that flat looks flat and half is half. */
export function plot(sizes: readonly Sized[]): string {
  const cpu: Series = {
    title: "CPU for each machine, ms",
    color: "#1f6feb",
    points: sizes.map((sized) => {
      const [low, high] = spreadOf(sized);
      return { size: sized.size, value: cpuOf(sized), low, high };
    }),
  };
  const rows: Series = {
    title: "Rows written for each machine",
    color: "#b3541e",
    points: sizes.map((sized) => {
      const value = rowsOf(sized);
      return { size: sized.size, value, low: value, high: value };
    }),
  };
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * WIDTH} ${HEIGHT}" width="${2 * WIDTH}" height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="${INK}">
<rect width="100%" height="100%" fill="#ffffff"/>
${panel(cpu, 0)}
${panel(rows, WIDTH)}
</svg>
`;
}

/** One of the two halves: values against sizes, with how far apart they were. */
export function panel({ title, color, points }: Series, offset: number): string {
  const top = niceTop(Math.max(...points.map((point) => point.high)));
  const logs = points.map(({ size }) => Math.log10(size));
  const [first, last] = [Math.min(...logs), Math.max(...logs)];
  const inner = WIDTH - LEFT - RIGHT - 2 * INSET;
  const x = (size: number) =>
    LEFT + INSET + (last === first ? inner / 2 : ((Math.log10(size) - first) / (last - first)) * inner);
  const y = (value: number) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const n = (value: number) => value.toFixed(1);
  const ticks = [0, 1, 2, 3, 4].map((k) => (top * k) / 4);
  const grid = ticks.map(
    (tick) =>
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(y(tick))}" y2="${n(y(tick))}" stroke="${GRID}"/><text x="${LEFT - 8}" y="${n(y(tick) + 4)}" text-anchor="end">${Number(tick.toFixed(2))}</text>`,
  );
  const names = points.map(
    ({ size }) => `<text x="${n(x(size))}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${thousands(size)}</text>`,
  );
  const line = `<polyline fill="none" stroke="${color}" stroke-width="2" points="${points.map((p) => `${n(x(p.size))},${n(y(p.value))}`).join(" ")}"/>`;
  const marks = points.map(
    ({ size, value, low, high }) =>
      `<line x1="${n(x(size))}" x2="${n(x(size))}" y1="${n(y(low))}" y2="${n(y(high))}" stroke="${color}"/><circle cx="${n(x(size))}" cy="${n(y(value))}" r="4" fill="${color}"/><text x="${n(x(size))}" y="${n(y(high) - 10)}" text-anchor="middle" fill="${color}">${value < 20 ? value.toFixed(2) : value.toFixed(0)}</text>`,
  );
  return `<g transform="translate(${offset} 0)">
<text x="${LEFT}" y="24" font-size="14" font-weight="600">${title}</text>
${[...grid, ...names, line, ...marks].join("\n")}
<text x="${n(LEFT + INSET + inner / 2)}" y="${HEIGHT - 8}" text-anchor="middle">machines in flight at one site</text>
</g>`;
}

/** The next of 1, 2, 4, 8 × 10^k above the highest value, with room for its label. */
function niceTop(highest: number): number {
  const wanted = highest * 1.15;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return ([1, 2, 4, 8].find((step) => step * power >= wanted) ?? 10) * power;
}

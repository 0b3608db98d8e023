export interface Column {
  title: string;
  /** Numbers stand to the right. */
  right?: boolean;
}

/** A plain table: columns as wide as their widest cell, two spaces between, no trailing spaces. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map((column, i) => Math.max(column.title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    columns
      .map(({ right }, i) => {
        const cell = cells[i] ?? "";
        const width = widths[i] ?? 0;
        return right ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [
    line(columns.map((column) => column.title)),
    line(widths.map((width) => "─".repeat(width))),
    ...rows.map(line),
  ];
}

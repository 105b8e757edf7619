"""What to tell: summary, charts, PDF, workbook."""

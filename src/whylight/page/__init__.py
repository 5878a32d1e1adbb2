"""What the pages share: table, filters, panel and viewer, in JavaScript, and what makes one page of it."""

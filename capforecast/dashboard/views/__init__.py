"""One module for each page; `show(opened)` draws it. No page computes: figures come from the modules above."""

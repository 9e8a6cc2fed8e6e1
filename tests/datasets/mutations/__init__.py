"""Random edits to annotation tables, label files and clip folders: a right pack, named clips, or one clear error.

The oracle knows nothing of the readers: it interprets the edited table by the names of its columns, row by row, and
asks of every outcome that

- an error is one line that names a file, and comes only of edits to the header, never of one bad row;
- a usable clip has the label and the frame numbers of a row with its name, or `detail` says what differs;
- its key frames are the files with these numbers in that clip's own folder;
- a row that was not edited gives exactly what it gave before;
- every row, and every clip that was usable before, is accounted for: nothing disappears silently;
- no id is there twice.
"""

"""Tables of other people: read in their dialects, decided on column by column, turned into features."""

//! What is exchanged: schema, table, terms and description.

SELECT set_config('bytea_output', 'escape', false) FROM pg_show_all_settings() WHERE name = 'bytea_output'
SHOW bytea_output
SELECT set_config('bytea_output', 'hex', false) FROM pg_class WHERE false
SHOW bytea_output
SELECT set_config('app.n', n::text, false) FROM generate_series(1, 3) n
SHOW app.n

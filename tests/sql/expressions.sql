-- One expression a line over table samples.v; each lane must answer as PostgreSQL does, or refuse (see refusals.sql).
-- integers
i4 / 3
i4 % 3
-i4 / 2
i2 + 1
i2 * i4
i8 + i4
i4 / 2.0
i4 ^ 2
7 / 2
-7 / 2
mod(i4, 5)
abs(i4)
i4 = i8
i4 <> 3
i2 + i2
id + 2147483646
i4 / (id - 3)
-- numerics
n + 1
n - m
n * m
n * 2
n * n * 0.5
n % 3
n / 3
n / m
n / nullif(i4, 0)
round(n)
round(n, 1)
round(m, 3)
round(n, 4)
round(n / 3, 2)
trunc(n)
ceil(n)
floor(n)
ceiling(m)
abs(n)
sign(n)
n > 2
n = 2.50
n < f8
-n
+n
1.50 + 0.5
1e3
100.00 * n
n::int
n::bigint
m::int4
n::numeric(10,1)
n::float8
m::numeric(20,3)
i4::numeric
i4::numeric(10,2)
power(f8, 2)
-- floats
f8 + 1
f8 * f4
f8 / 2
f4 + f4
round(f8)
f8::int
f8::bigint
f8::numeric(10,2)
floor(f8)
ceil(f8)
trunc(f8)
abs(f8)
sign(f8)
sqrt(abs(f8))
exp(f4)
f8 > n
-- text
t || u
t || i4
i4 || t
t || d
upper(t)
lower(t)
length(t)
char_length(t)
octet_length(t)
substring(t from 2)
substring(t from 2 for 3)
substring(t from 0 for 3)
substring(t from -1 for 4)
substring(t, i2, 2)
substr(t, 3)
left(t, 2)
left(t, -1)
right(t, 2)
right(t, -2)
position('l' in t)
position('' in t)
strpos(t, 'o')
trim(t)
trim(both 'h' from t)
trim(leading 'he' from t)
rtrim(t)
ltrim(t, 'h')
btrim(t)
lpad(t, 8)
lpad(t, 3, 'xy')
rpad(t, 9, 'xy')
repeat(t, 2)
replace(t, 'l', 'LL')
reverse(t)
translate(t, 'lo', '01')
split_part(t, 'l', 1)
split_part(t, 'l', 2)
starts_with(t, 'he')
ascii(t)
chr(i2 + 64)
md5(t)
concat(t, '-', i4, u)
t like 'h%'
t like '%\%%'
t like '%!%%' escape '!'
t like u
t not like '%l%'
t ilike 'HE%'
t ~~ 'h%'
t !~~ '%l%'
t ~~* 'HE%'
t operator(pg_catalog.!~~*) 'HE%'
t ~~ like_escape('%!%%', '!')
t ~ '^h'
t ~* '^H'
t !~ 'l+'
t !~* 'L+'
t = 'hello'
t < u
t between 'a' and 'i'
t in ('hello', 'x')
t not in ('hello', 'x')
i4::text
n::text
b::text
d::text
ts::text
t::varchar(3)
'12'::int + i4
'1.5'::numeric + n
-- booleans and conditionals
b and i4 > 0
b or i4 > 0
not b
b is true
b is not true
b is false
b is unknown
b is not unknown
b = true
i4 is null
i4 is not null
i4 is distinct from 3
i4 is not distinct from null
case when i4 > 0 then 'pos' when i4 < 0 then 'neg' end
case i4 when 1 then 'one' when 2 then 'two' else 'many' end
case when b then n else 0 end
case when b then i4 else n end
case when b then i4 else f8 end
case when b then d else ts end
coalesce(i4, 0)
coalesce(t, u, 'none')
coalesce(n, i4)
coalesce(n, 0)
nullif(i4, 3)
nullif(t, 'hello')
greatest(i4, 2)
least(i4, n, 2)
greatest(t, u)
greatest(null, i4)
i4 between 1 and 10
i4 not between 1 and 10
i4 in (1, 2, 3)
i4 not in (1, 2, null)
n in (2.5, 3)
d in ('2024-02-29', '2020-01-01')
i4 = any(array[1, 3])
i4 <> all(array[1, 3])
(i4, t) = (3, 'hello')
b::int
1::bool
-- dates and times
d + 1
d - 1
1 + d
d - e
d - i2
d + interval '1 month'
d - interval '90 day'
interval '1 year' + d
d + interval '1 day 02:03:04'
d + interval '1' month
ts + interval '36 hours'
ts - interval '1 mon 2 days 00:00:01.5'
ts - interval '-1 day'
d < ts
d = '2024-02-29'
d >= date '2024-01-01'
ts > '2024-01-01 12:00:00'
ts::date
d::timestamp
tz > '2024-01-01 00:00:00+00'
tz = tz
extract(year from d)
extract(month from ts)
extract(day from d)
extract(quarter from d)
extract(week from d)
extract(dow from d)
extract(isodow from d)
extract(doy from d)
extract(hour from ts)
extract(minute from ts)
extract(second from ts)
extract(epoch from ts)
extract(epoch from d)
date_part('year', d)
date_part('second', ts)
date_trunc('month', ts)
date_trunc('week', ts)
date_trunc('hour', ts)
date_trunc('quarter', d::timestamp)
date_trunc('month', d)
date_trunc('day', tz)
date_trunc('minute', tz)
d >= to_date('2021-01-03', 'YYYY-MM-DD')
to_date('31.12.2024', 'DD.MM.YYYY')
tz < to_timestamp('2024-02-29 10:11:12.000001', 'YYYY-MM-DD HH24:MI:SS.US')
to_timestamp('2024/02/29', 'YYYY/MM/DD')
to_char(d, 'YYYY-MM-DD')
to_char(ts, 'YYYY/MM/DD HH24:MI:SS')
make_date(2024, i2, 3)
date '2024-02-29' - d
'2024-02-29'::date
timestamp '2024-02-29 10:11:12.5'
-- aggregates in sub-selects and windows
(select sum(i2) from samples.v)
(select sum(i4) from samples.v)
(select sum(i8) from samples.v)
(select sum(n) from samples.v)
(select sum(f8) from samples.v where f8 < 100)
(select sum(f4) from samples.v where f8 < 100)
(select avg(i4) from samples.v)
(select avg(i8) from samples.v)
(select avg(n) from samples.v)
(select avg(f8) from samples.v where f8 < 100)
(select count(*) from samples.v)
(select count(distinct t) from samples.v)
(select count(i4) filter (where b) from samples.v)
(select sum(n) filter (where b) from samples.v)
(select avg(n) filter (where i4 > 0) from samples.v)
(select max(t) from samples.v)
(select min(d) from samples.v)
(select bool_and(b) from samples.v)
(select bool_or(b) from samples.v)
(select every(b) from samples.v)
(select stddev_samp(f8) from samples.v where f8 < 100)
(select corr(i4, id) from samples.v)
(select string_agg(t, ',' order by id) from samples.v)
(select string_agg(distinct u, ',' order by u) from samples.v)
sum(i4) over (partition by b)
sum(n) over (order by id)
avg(i4) over (order by id rows between 1 preceding and current row)
count(*) over ()
row_number() over (order by id desc)
rank() over (order by b)
dense_rank() over (order by b nulls first)
percent_rank() over (order by id)
ntile(3) over (order by id)
lag(i4) over (order by id)
lead(i4, 2, 0) over (order by id)
first_value(t) over (order by id)
last_value(t) over (order by id rows between unbounded preceding and unbounded following)
sum(i4) over (order by b range between unbounded preceding and current row)
max(n) over (partition by b order by id desc)
-- sub-selects
exists (select 1 from samples.v w where w.id = v.id + 1)
id in (select id + 1 from samples.v)
id not in (select i4 from samples.v where i4 is not null)
(select w.t from samples.v w where w.id = v.id)
(select max(w.n) from samples.v w where w.id <= v.id)
id = any (select i2 from samples.v)
-- bytes
'\x00ff5c27'::bytea
'\x'::bytea
-- moments in other zones than the session's
tz AT TIME ZONE 'Europe/Berlin'
ts AT TIME ZONE 'America/New_York'
date_trunc('day', tz, 'Asia/Tokyo')
date_trunc('hour', tz, 'Asia/Kathmandu')
extract(hour from tz)
extract(epoch from tz)
to_char(tz, 'YYYY-MM-DD HH24:MI')
-- arrays
ARRAY[i4, i2]
ARRAY[t, NULL]
ARRAY[b, true]
ARRAY[d, '2024-01-02']
ARRAY[f8, 1]
ARRAY[]::int[]
'{1,NULL,3}'::int[]
'{"a b",NULL,"NULL"," x, y ",qé}'::text[]
'{2024-02-29}'::date[]
ARRAY[i4, 5]::bigint[]
ARRAY[i4, NULL]::text[]
(ARRAY[i4, 5])[2]
(ARRAY[i4, 5])[0]
(ARRAY[i4, 5])[i2]
cardinality(ARRAY[i4, i2])
array_length('{}'::int[], 1)
array_length(ARRAY[i4], 1)
array_to_string(ARRAY[t, NULL, u], ', ')
array_to_string('{}'::text[], ', ')
i4 = ANY('{1,-7}')
i4 = ANY('{1,-7,NULL}'::bigint[])
i4 < ANY('{0,1}'::int[])
t = ANY('{hello,"HELLO World"}'::text[])
i4 <> ALL('{1,3}')
i8 = ANY(ARRAY[i4, i2]::int[])
ARRAY[i4, i2] = ARRAY[1, 1]
ARRAY[i4, NULL] <> ARRAY[1, NULL]

"""Every common type, as text, as binary result, as binary parameter sent back, and as NULL."""

VALUES = {
    "bool": "true", "int2": "-7", "int4": "2147483647", "int8": "-9223372036854775808",
    "float4": "1.5", "float8": "NaN", "numeric": "-12345.678900", "text": "text äöü",
    "varchar": "varying", "bpchar": "fixed", "char": "c", "name": "a_name", "bytea": "\\\\x00ff10",
    "date": "2024-02-29", "time": "23:59:59.999999", "timetz": "12:00:00+02",
    "timestamp": "infinity", "timestamptz": "2024-06-01 12:00:00+00", "interval": "1 mon 2 days",
    "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "json": '{"a": [1, 2]}',
    "jsonb": '{"b": null}', "xml": "<a>1</a>", "inet": "10.0.0.1/8", "cidr": "10.0.0.0/8",
    "macaddr": "08:00:2b:01:02:03", "point": "(1,2)", "box": "(2,2),(1,1)",
    "circle": "<(0,0),3>", "bit": "1", "varbit": "10101", "int4range": "[1,10)",
    "int4multirange": "{[1,3),[5,7)}", "tsvector": "'a' 'b'", "money": "$12.34",
    "int4[]": "{1,NULL,3}", "text[]": "{a,\"b c\",NULL}", "oid": "4294967295",
    "pg_lsn": "16/B374D848", "mood": "happy", "pair": "(1,two)", "even": "4",
}


def blocks():
    for name, value in VALUES.items():
        quoted = value.replace("'", "''")
        if name == "bytea":
            quoted = value
        yield f"""
[{name} as text]
query select '{quoted}'::{name} as v, null::{name} as n, array['{quoted}'::{name}] as a
ready
[{name} as binary]
parse | select '{quoted}'::{name} as v, null::{name} as n
bind | | | | 1
describe P
execute
sync
ready
[{name} as parameter]
parse s | select $1::{name} as v, $2::{name} is null
describe S s
bind | s | {value.replace(';', ',')} ; NULL | 0 | 0 ; 1
describe P
execute
sync
ready
"""

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select as one_of;
use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, InTarget, SetExpr, Statement,
};
use sqlparser::ast::{UnaryOperator, Value as Literal};
use sqlparser::dialect::PostgreSqlDialect;

use super::*;
use crate::ErrorKind;
use crate::asset::{Column, Schema};
use crate::error::Classify;
use crate::program::{Plan, Score, secret};

fn parsed(text: &str) -> Query {
    Query::from_sql(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> SqlError {
    match Query::from_sql(text) {
        Ok(query) => panic!("{text}: {query:?}"),
        Err(error) => error,
    }
}

fn filtered(filter: Filter) -> Query {
    Query::select([count()]).filter(filter)
}

#[test]
fn a_select_is_what_the_builder_makes() {
    let age = || col("age");
    let plan = || col("plan");
    let decimal = |text| Value::decimal(text).unwrap();
    for (condition, filter) in [
        ("age >= 40", age().ge(40)),
        ("age = -40", age().eq(-40)),
        ("age <> +40", age().ne(40)),
        ("age != 40", age().ne(40)),
        ("age<-40", age().lt(-40)),
        ("40 < age", age().gt(40)),
        ("40 <= age", age().ge(40)),
        ("40 > age", age().lt(40)),
        ("40 >= age", age().le(40)),
        ("SECRET(40) = age", age().eq(secret(40))),
        ("age <= 9223372036854775807 OR age = -9223372036854775808", age().le(i64::MAX) | age().eq(i64::MIN)),
        ("cost < 1.50", col("cost").lt(decimal("1.5"))),
        ("cost < .5 AND cost > 1e-2 AND cost <> 7.", {
            col("cost").lt(decimal("0.5")) & col("cost").gt(decimal("0.01")) & col("cost").ne(decimal("7.0"))
        }),
        ("cost = 0.1", col("cost").eq(0.1)),
        ("plan = 'it''s'", plan().eq("it's")),
        ("plan = ''", plan().eq("")),
        (r"plan = 'a\n'", plan().eq(r"a\n")),
        ("smoker = TRUE AND smoker <> false", col("smoker").eq(true) & col("smoker").ne(false)),
        ("smoker AND NOT smoker", col("smoker").eq(true) & !col("smoker").eq(true)),
        ("plan IN ('free')", plan().is_in(["free"])),
        ("plan NOT IN ('free', 'paid')", !plan().is_in(["free", "paid"])),
        ("plan IN (SECRET('free', 'paid'))", plan().is_in(secret(["free", "paid"]))),
        ("plan IN (secret('free'), Secret ('paid'))", plan().is_in(secret(["free", "paid"]))),
        ("plan IN ('a', SECRET('b'), 'c')", plan().is_in(["a", "c"]) | plan().is_in(secret(["b"]))),
        ("plan NOT IN ('a', SECRET('b'))", !(plan().is_in(["a"]) | plan().is_in(secret(["b"])))),
        ("age BETWEEN 1 AND SECRET(2)", age().ge(1) & age().le(secret(2))),
        ("age NOT BETWEEN SECRET(1) AND 2", !(age().ge(secret(1)) & age().le(2))),
        ("age BETWEEN 1 AND 2 AND plan = 'a'", age().ge(1) & age().le(2) & plan().eq("a")),
        ("age IS NULL", age().is_null()),
        ("age IS NOT NULL", age().is_not_null()),
        ("NOT NOT age IS NULL", age().is_null()),
        ("NOT age = 1 OR age = 2", !age().eq(1) | age().eq(2)),
        ("age = 1 OR age = 2 AND age = 3", age().eq(1) | (age().eq(2) & age().eq(3))),
        ("(age = 1 OR age = 2) AND age = 3", (age().eq(1) | age().eq(2)) & age().eq(3)),
        ("age = 1 AND (age = 2 AND age = 3)", age().eq(1) & age().eq(2) & age().eq(3)),
        ("((((age = 1))))", age().eq(1)),
        (r#""is ""it""" = 1 AND "Alter" = 2 AND größe = 3"#, {
            col("is \"it\"").eq(1) & col("Alter").eq(2) & col("größe").eq(3)
        }),
        ("count = 1 AND secret = 2 AND date = 3", col("count").eq(1) & col("secret").eq(2) & col("date").eq(3)),
    ] {
        let query = parsed(&format!("SELECT count(*) FROM asset WHERE {condition}"));
        assert_eq!(query, filtered(filter), "{condition}");
    }
    let groups = Query::select([mean("visits"), count(), sum("cost")]).group_by(["region", "plan"]);
    for text in [
        "SELECT region, plan, avg(visits), count(*), sum(cost) FROM asset GROUP BY region, plan",
        "select avg(visits), plan, count(*), region, sum(cost) from \"any name\" group by region, plan;",
        "SELECT MEAN(visits),COUNT(*),SUM(cost) FROM x GROUP BY region,plan;;",
        "-- which\nSELECT avg(visits) /* the /* one */ mean */, count ( * ), sum(cost)\r\nFROM x -- all\nGROUP\tBY region, plan --",
    ] {
        assert_eq!(parsed(text), groups, "{text}");
    }
    assert_eq!(parsed("SELECT count(*) FROM asset").program().digest().unwrap(), {
        Query::select([count()]).program().digest().unwrap()
    });
}

#[test]
fn a_refusal_says_what_came_and_where_and_what_to_do() {
    use ErrorKind::{InvalidProgram as Invalid, UnsupportedProgram as Unsupported};
    let mut wrong = Vec::new();
    for (text, kind, column, words) in [
        ("", Invalid, 1, "expected SELECT, found the end"),
        ("SELEC count(*) FROM a", Invalid, 1, "found SELEC"),
        ("WITH x AS (SELECT 1) SELECT count(*) FROM x", Unsupported, 1, "WITH"),
        ("DELETE FROM a", Unsupported, 1, "write"),
        ("SELECT DISTINCT plan FROM a", Unsupported, 8, "DISTINCT"),
        ("SELECT * FROM a", Unsupported, 8, "SELECT *"),
        ("SELECT 1 FROM a", Unsupported, 8, "literals in SELECT"),
        ("SELECT FROM a", Invalid, 8, "expected count(*), sum(column), avg(column)"),
        ("SELECT mode(x) FROM a", Unsupported, 8, "no function mode()"),
        ("SELECT 1 + mode(x) FROM a", Unsupported, 12, "no function mode()"),
        ("SELECT count(x) FROM a", Unsupported, 14, "counts of a column"),
        ("SELECT count(DISTINCT x) FROM a", Unsupported, 14, "DISTINCT"),
        ("SELECT sum(DISTINCT x) FROM a", Unsupported, 12, "DISTINCT"),
        ("SELECT sum(x * 2) FROM a", Unsupported, 14, "arithmetic"),
        ("SELECT sum(x), FROM a", Invalid, 16, "found FROM"),
        ("SELECT b AS c, sum(x) FROM a GROUP BY b", Unsupported, 10, "aliases"),
        ("SELECT b c, sum(x) FROM a GROUP BY b", Unsupported, 10, "aliases"),
        ("SELECT sum(x) OVER () FROM a", Unsupported, 15, "window functions"),
        ("SELECT sum(a.x) FROM a", Unsupported, 12, "with a qualifier"),
        ("SELECT sum(x) + y FROM a", Unsupported, 17, "arithmetic on columns"),
        ("SELECT 2 + 3 FROM a", Unsupported, 8, "literals in SELECT"),
        ("SELECT sum(x) ^ 2 FROM a", Unsupported, 15, "arithmetic"),
        ("SELECT sum(x)", Invalid, 14, "expected a comma or FROM, found the end"),
        ("SELECT sum(x) FROM b.a", Unsupported, 20, "with a qualifier"),
        ("SELECT sum(x) FROM (SELECT 1)", Unsupported, 20, "subqueries"),
        ("SELECT sum(x) FROM a b", Unsupported, 22, "aliases"),
        ("SELECT sum(x) FROM a, b", Unsupported, 21, "joins"),
        ("SELECT sum(x) FROM a LEFT JOIN b ON c = d", Unsupported, 22, "joins"),
        ("SELECT sum(x) FROM read_csv('a')", Unsupported, 20, "no function read_csv()"),
        ("SELECT plan, sum(x) FROM a", Invalid, 8, "column \"plan\" is selected"),
        ("SELECT plan FROM a GROUP BY plan", Unsupported, 1, "without an aggregate"),
        ("SELECT sum(x) FROM a GROUP BY 1", Unsupported, 31, "positions"),
        ("SELECT sum(x) FROM a GROUP BY ROLLUP(plan)", Unsupported, 31, "ROLLUP"),
        ("SELECT sum(x) FROM a GROUP BY plan HAVING sum(x) > 3", Unsupported, 36, "HAVING"),
        ("SELECT sum(x) FROM a ORDER BY plan", Unsupported, 22, "ORDER BY"),
        ("SELECT sum(x) FROM a LIMIT 3", Unsupported, 22, "LIMIT"),
        ("SELECT sum(x) FROM a UNION SELECT sum(x) FROM b", Unsupported, 22, "set operations"),
        ("SELECT sum(x) FROM a; SELECT sum(x) FROM b", Unsupported, 23, "second statement"),
        ("SELECT sum(x) FROM a )", Invalid, 22, "expected WHERE, GROUP BY or the end, found )"),
        ("SELECT sum(x) FROM a WHERE", Invalid, 27, "expected a condition"),
        ("SELECT sum(x) FROM a WHERE (b = 1", Invalid, 34, "expected AND, OR or )"),
        ("SELECT sum(x) FROM a WHERE b = 1 c", Invalid, 34, "expected AND, OR, GROUP BY or the end, found c"),
        ("SELECT sum(x) FROM a WHERE b = c", Unsupported, 32, "comparisons of two columns"),
        ("SELECT sum(x) FROM a WHERE b = \"c\"", Unsupported, 32, "comparisons of two columns"),
        ("SELECT sum(x) FROM a WHERE 1 = 1", Unsupported, 32, "comparisons of two literals"),
        ("SELECT sum(x) FROM a WHERE TRUE", Invalid, 32, "expected a comparison with a column"),
        ("SELECT sum(x) FROM a WHERE b = NULL", Unsupported, 32, "NULL, which never hold"),
        ("SELECT sum(x) FROM a WHERE b IN (1, NULL)", Unsupported, 37, "NULL, which never hold"),
        ("SELECT sum(x) FROM a WHERE b IN ()", Invalid, 34, "expected a number"),
        ("SELECT sum(x) FROM a WHERE b IN (SELECT 1)", Unsupported, 34, "subqueries"),
        ("SELECT sum(x) FROM a WHERE b = (SELECT 1)", Unsupported, 33, "subqueries"),
        ("SELECT sum(x) FROM a WHERE EXISTS (SELECT 1)", Unsupported, 28, "subqueries"),
        ("SELECT sum(x) FROM a WHERE b + 1 = 2 * 3", Unsupported, 38, "arithmetic on the right"),
        ("SELECT sum(x) FROM a WHERE b * c > 2", Invalid, 32, "expected a number, as a column's factor"),
        ("SELECT sum(x) FROM a WHERE 2 * b > SECRET(1)", Unsupported, 36, "hidden bounds of sums"),
        ("SELECT sum(x) FROM a WHERE 2 * b > 'c'", Unsupported, 36, "with a text"),
        ("SELECT sum(x) FROM a WHERE b / 2 > 1", Unsupported, 30, "division of columns"),
        ("SELECT sum(x) FROM a WHERE 2 * b", Invalid, 33, "expected +, - or a comparison"),
        ("SELECT sum(x) FROM a WHERE CASE b WHEN 1 THEN c END > 1", Invalid, 47, "expected a number"),
        ("SELECT sum(x) FROM a WHERE CASE b WHEN 1 THEN 2 ELSE 0 END > 1", Unsupported, 49, "ELSE"),
        ("SELECT sum(x) FROM a WHERE b = 1 + 1", Unsupported, 34, "arithmetic"),
        ("SELECT sum(x) FROM a WHERE 1 < b < 3", Invalid, 34, "found <"),
        ("SELECT sum(x) FROM a WHERE lower(b) = 'c'", Unsupported, 28, "no function lower()"),
        ("SELECT sum(x) FROM a WHERE b LIKE 'c%'", Unsupported, 30, "patterns"),
        ("SELECT sum(x) FROM a WHERE b NOT LIKE 'c%'", Unsupported, 34, "patterns"),
        ("SELECT sum(x) FROM a WHERE b IS TRUE", Unsupported, 33, "IS with anything but NULL"),
        ("SELECT sum(x) FROM a WHERE b == 1", Unsupported, 30, "=="),
        ("SELECT sum(x) FROM a WHERE b = ?", Unsupported, 32, "placeholders"),
        ("SELECT sum(x) FROM a WHERE b = DATE '2024-12-31'", Unsupported, 32, "dates"),
        ("SELECT sum(x) FROM a WHERE CASE WHEN b THEN c END", Unsupported, 33, "CASE"),
        ("SELECT sum(x) FROM a WHERE b = 99999999999999999999", Invalid, 32, "do not fit 64 bits"),
        ("SELECT sum(x) FROM a WHERE b = 1e99", Invalid, 32, "do not fit 64 bits"),
        ("SELECT sum(x) FROM a WHERE b = SECRET(1, 2)", Unsupported, 32, "several literals at once"),
        ("SELECT sum(x) FROM a WHERE b = 'c", Invalid, 32, "that ends"),
        ("SELECT sum(x) FROM a WHERE b = \"c", Invalid, 32, "that ends"),
        ("SELECT sum(x) FROM a /* b", Invalid, 26, "that ends"),
    ] {
        let error = refusal(text);
        let (said, position) = (error.to_string(), format!("line 1, column {column}: "));
        if error.kind() != kind || !said.starts_with(&position) || !said.contains(words) || error.hint().is_none() {
            wrong.push(format!("{text}: {error:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let error = refusal("SELECT sum(x)\n  FROM a -- the table\n\tLIMIT 3");
    assert!(error.to_string().starts_with("line 3, column 2: "), "{error}");
}

#[test]
fn sums_of_columns_are_scores() {
    let of = |condition: &str| parsed(&format!("SELECT count(*) FROM a WHERE {condition}"));
    let points = || col("plan").points([("free", 5), ("paid", -2)]);
    let half = || Value::decimal("0.5").unwrap();
    let score = col("age").times(2) - col("bmi").times(half()) + points();
    for (text, filter) in [
        ("2 * age - 0.5 * bmi + CASE plan WHEN 'free' THEN 5 WHEN 'paid' THEN -2 END >= 90", score.clone().ge(90)),
        ("age * 2 + bmi * -0.5 + case plan when 'free' then 5 when 'paid' then -2 end >= 90", score.clone().ge(90)),
        ("age + bmi + 3 < 7.5", (col("age").times(1) + col("bmi").times(1)).lt(Value::decimal("4.5").unwrap())),
        ("-age > -3 AND b = 1", (-Score::from(col("age").times(1))).gt(-3) & col("b").eq(1)),
        ("NOT (2 * age <= 4)", !Score::from(col("age").times(2)).le(4)),
        ("2 * age = 4", Score::from(col("age").times(2)).ge(4) & Score::from(col("age").times(2)).le(4)),
    ] {
        assert_eq!(of(text), filtered(filter), "{text}");
        assert_eq!(parsed(&of(text).to_sql()), of(text), "{}", of(text).to_sql());
    }
    assert_eq!(of("2 * age <= 4").program().to_string(), "count where 2 * age <= 4");
}

#[test]
fn no_message_shows_what_is_between_the_parentheses_of_secret() {
    for inside in [
        "'canary",
        "'canary' 7",
        "canary",
        "\"canary\"",
        "'canary'canary",
        "canary('x')",
        "'canary'::text",
        "DATE 'canary'",
        "77777777777777777777",
        "'canary', 7 + 7",
        "-'canary'",
        "x'canary'",
        "NULL, 'canary'",
        "SECRET('canary')",
        "",
        "SELECT 'canary'",
        "'canary'; DROP",
        "7 canary",
        "(7)",
        "$7",
        "'canary",
        "0x7canary",
        "1.7.7",
        "canary.canary",
    ] {
        for frame in ["a = SECRET(", "SECRET(", "a IN (1, SECRET(", "a BETWEEN 1 AND SECRET(", "NOT (a >= secret ("] {
            let error = refusal(&format!("SELECT count(*) FROM a WHERE {frame}{inside}) AND b = 1"));
            for shown in [error.to_string(), format!("{error:?}"), error.hint().unwrap()] {
                assert!(!shown.contains("canary") && !shown.contains("77"), "{frame}{inside}: {shown}");
            }
        }
    }
}

#[test]
fn hostile_texts_end_neither_the_stack_nor_memory() {
    let fill = |head: &str, part: &str| {
        let mut text = head.to_owned();
        while text.len() + part.len() <= MAX_SQL_BYTES {
            text.push_str(part);
        }
        text
    };
    let texts: Vec<String> = [
        ("SELECT count(*) FROM a WHERE ", "("),
        ("SELECT count(*) FROM a WHERE ", "NOT "),
        ("SELECT count(*) FROM a WHERE ", "NOT ("),
        ("SELECT count(*) FROM a WHERE a=1", " AND a=1"),
        ("SELECT count(*) FROM a WHERE a=1", " OR NOT a=1 AND a=1"),
        ("SELECT count(*) FROM a WHERE a", " IN ("),
        ("SELECT count(*) FROM a WHERE a = ", "-"),
        ("SELECT count(*) FROM a WHERE a = ", "SECRET("),
        ("SELECT count(*) FROM a WHERE a = ", "9"),
        ("SELECT count(*) FROM a WHERE a = ", "'"),
        ("SELECT ", "sum("),
        ("SELECT count(*) FROM ", "("),
        ("SELECT count(*) FROM ", "x"),
        ("SELECT ", "x,"),
        ("", "/*"),
        ("", "SELECT "),
        ("", "\u{1f4a9}"),
        ("SELECT count(*) FROM a;", ";"),
    ]
    .map(|(head, part)| fill(head, part))
    .into();
    let small = std::thread::Builder::new().stack_size(512 * 1024).spawn(move || {
        for text in texts {
            let head: String = text.chars().take(60).collect();
            match Query::from_sql(&text) {
                Ok(query) => drop(query.to_sql()),
                Err(error) => assert!(error.to_string().len() < 300, "{head}: {error}"),
            }
        }
    });
    small.unwrap().join().unwrap();
    assert_eq!(refusal(&" ".repeat(MAX_SQL_BYTES + 1)).kind(), ErrorKind::TooLarge);
    let wide = format!("SELECT count(*) FROM a WHERE a = 1{}", " OR a = 2".repeat(256));
    assert!(matches!(refusal(&wide), SqlError::Program(_)));
    let nested = |n| format!("SELECT count(*) FROM a WHERE {}a = 1{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(parsed(&nested(MAX_PARENTHESES)), filtered(col("a").eq(1)));
    assert!(matches!(refusal(&nested(MAX_PARENTHESES + 1)), SqlError::TooDeep { .. }));
}

#[test]
fn aggregates_are_calculated_with_and_named() {
    let half = || Value::decimal("0.5").unwrap();
    for (selected, output) in [
        ("sum(a) / count(*)", Output::from(sum("a") / count())),
        ("sum(a) AS total", sum("a").alias("total")),
        ("sum(a) \"the total\"", sum("a").alias("the total")),
        ("100 * sum(a) / sum(b) rate", (100 * sum("a") / sum("b")).alias("rate")),
        ("-(sum(a) - 0.5) * -2", (-(sum("a") - half()) * -2).into()),
        ("sum(a) - (sum(b) - sum(c))", (sum("a") - (sum("b") - sum("c"))).into()),
        ("sum(a) -5", (sum("a") - 5).into()),
        ("2 / (sum(a) / avg(b))", (2 / (sum("a") / mean("b"))).into()),
        ("var_samp(x)", variance("x").into()),
        ("VARIANCE(x)", variance("x").into()),
        ("var_pop(x)", var_pop("x").into()),
        ("stddev(x) / avg(x)", (stddev("x") / mean("x")).into()),
        ("stddev_samp(x)", stddev("x").into()),
        ("stddev_pop(x)", stddev_pop("x").into()),
        ("histogram(d)", histogram("d").into()),
        ("min(d)", min("d").into()),
        ("max(d) AS top", max("d").alias("top")),
        ("median(d)", median("d").into()),
        ("quantile(d, 0.9)", quantile("d", 0.9).into()),
        ("quantile(d, .5)", median("d").into()),
    ] {
        assert_eq!(Output::from_sql(selected).unwrap(), output);
        let query = Query::select([output]);
        let text = format!("SELECT {selected} FROM a");
        assert_eq!(parsed(&text), query, "{text}");
        assert_eq!(parsed(&query.to_sql()), query, "{}", query.to_sql());
    }
    for (text, words) in [
        ("SELECT quantile(d, 1.1) FROM a", "the rank of a quantile"),
        ("SELECT quantile(d) FROM a", "a comma"),
        ("SELECT sum(a) AS x, sum(b) AS x FROM a", "two columns of the answer are called \"x\""),
        ("SELECT b, sum(a) AS b FROM a GROUP BY b", "two columns of the answer are called \"b\""),
        ("SELECT histogram(d) + 1 FROM a", "no number to calculate with"),
    ] {
        let error = refusal(text);
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(matches!(Output::from_sql("a"), Err(SqlError::NotGrouped { .. })));
    assert!(matches!(Output::from_sql("sum(a), sum(b)"), Err(SqlError::Syntax { .. })));
    let long = format!("SELECT sum(a){} FROM a", " + sum(a)".repeat(5000));
    assert!(matches!(refusal(&long), SqlError::Program(_)));
}

/// A condition, to be written and to be built.
#[derive(Clone, Debug)]
enum Tree {
    Compare(&'static str, Op, Given, bool),
    Between(&'static str, bool, Given, Given),
    In(&'static str, bool, Vec<Given>),
    Null(&'static str, bool),
    Bare,
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

#[derive(Clone, Debug)]
struct Given {
    text: String,
    value: Value,
    hidden: bool,
}

impl Given {
    fn literals(&self) -> Literals {
        let values = vec![self.value.clone()];
        if self.hidden { Literals::Secret(values) } else { Literals::Clear(values) }
    }

    fn written(&self) -> String {
        if self.hidden { format!("SECRET({})", self.text) } else { self.text.clone() }
    }
}

impl Tree {
    fn written(&self) -> String {
        let not = |negated: &bool| if *negated { "NOT " } else { "" };
        match self {
            Tree::Compare(column, op, literal, false) => format!("{column} {op} {}", literal.written()),
            Tree::Compare(column, op, literal, true) => format!("{} {} {column}", literal.written(), turned(*op)),
            Tree::Between(column, negated, low, high) => {
                format!("{column} {}BETWEEN {} AND {}", not(negated), low.written(), high.written())
            }
            Tree::In(column, negated, literals) => {
                let literals: Vec<_> = literals.iter().map(Given::written).collect();
                format!("{column} {}IN ({})", not(negated), literals.join(", "))
            }
            Tree::Null(column, negated) => format!("{column} IS {}NULL", not(negated)),
            Tree::Bare => "smoker".into(),
            Tree::Not(part) => format!("NOT {}", part.nested()),
            Tree::And(parts) => parts.iter().map(Tree::nested).collect::<Vec<_>>().join(" AND "),
            // AND binds closer by itself.
            Tree::Or(parts) => parts.iter().map(Tree::written).collect::<Vec<_>>().join(" or "),
        }
    }

    fn nested(&self) -> String {
        match self {
            Tree::And(_) | Tree::Or(_) => format!("({})", self.written()),
            _ => self.written(),
        }
    }

    fn built(&self) -> Filter {
        let negate = |negated: &bool, filter: Filter| if *negated { !filter } else { filter };
        match self {
            Tree::Compare(column, op, literal, _) => col(*column).test(*op, literal.literals()),
            Tree::Between(column, negated, low, high) => {
                let low = col(*column).test(Op::Ge, low.literals());
                negate(negated, low & col(*column).test(Op::Le, high.literals()))
            }
            Tree::In(column, negated, literals) => {
                let of = |hidden| -> Vec<Value> {
                    literals.iter().filter(|l| l.hidden == hidden).map(|l| l.value.clone()).collect()
                };
                let filter = match (of(false), of(true)) {
                    (clear, hidden) if hidden.is_empty() => col(*column).is_in(clear),
                    (clear, hidden) if clear.is_empty() => col(*column).is_in(secret(hidden)),
                    (clear, hidden) => col(*column).is_in(clear) | col(*column).is_in(secret(hidden)),
                };
                negate(negated, filter)
            }
            Tree::Null(column, negated) => negate(negated, col(*column).is_null()),
            Tree::Bare => col("smoker").eq(true),
            Tree::Not(part) => !part.built(),
            Tree::And(parts) => parts.iter().map(Tree::built).reduce(|a, b| a & b).unwrap(),
            Tree::Or(parts) => parts.iter().map(Tree::built).reduce(|a, b| a | b).unwrap(),
        }
    }
}

fn small() -> Schema {
    Schema::new(vec![
        Column::integer("age", 0, 4).dimension().nullable(),
        Column::integer("years", 0, 3).dimension(),
        Column::decimal("cost", 1, -4, 4).dimension().nullable(),
        Column::category("plan", ["free", "paid", "it's"]).dimension().nullable(),
        Column::boolean("smoker").dimension().nullable(),
    ])
    .unwrap()
}

fn given(column: &str) -> BoxedStrategy<Given> {
    let value = match column {
        "age" => (0i64..=4).prop_map(|n| (n.to_string(), n.into())).boxed(),
        "years" => (0i64..=3).prop_map(|n| (format!("+{n}"), n.into())).boxed(),
        "cost" => (-4i64..=4)
            .prop_map(|n| format!("{}0.{}0", if n < 0 { "-" } else { "" }, n.abs()))
            .prop_map(|text| (text.clone(), Value::decimal(&text).unwrap()))
            .boxed(),
        "plan" => one_of(vec!["free", "paid", "it's"])
            .prop_map(|text| (format!("'{}'", text.replace('\'', "''")), text.into()))
            .boxed(),
        _ => any::<bool>().prop_map(|b| (b.to_string(), b.into())).boxed(),
    };
    (value, any::<bool>()).prop_map(|((text, value), hidden)| Given { text, value, hidden }).boxed()
}

fn conditions() -> impl Strategy<Value = Tree> {
    const ALL: [&str; 5] = ["age", "years", "cost", "plan", "smoker"];
    let ordered = || one_of(&ALL[..3]);
    let leaf = prop_oneof![
        4 => (ordered(), one_of(vec![Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge]), any::<bool>())
            .prop_flat_map(|(c, op, turn)| given(c).prop_map(move |l| Tree::Compare(c, op, l, turn))),
        2 => (one_of(&ALL[3..]), one_of(vec![Op::Eq, Op::Ne]), any::<bool>())
            .prop_flat_map(|(c, op, turn)| given(c).prop_map(move |l| Tree::Compare(c, op, l, turn))),
        2 => (ordered(), any::<bool>())
            .prop_flat_map(|(c, n)| (given(c), given(c)).prop_map(move |(a, b)| Tree::Between(c, n, a, b))),
        3 => (one_of(&ALL[..]), any::<bool>())
            .prop_flat_map(|(c, n)| vec(given(c), 1..4).prop_map(move |l| Tree::In(c, n, l))),
        2 => (one_of(&ALL[..]), any::<bool>()).prop_map(|(c, n)| Tree::Null(c, n)),
        1 => Just(Tree::Bare),
    ];
    leaf.prop_recursive(4, 24, 3, |part| {
        prop_oneof![
            part.clone().prop_map(|p| Tree::Not(Box::new(p))),
            vec(part.clone(), 2..4).prop_map(Tree::And),
            vec(part, 2..4).prop_map(Tree::Or),
        ]
    })
}

/// A row: null, or a value of the column.
fn rows() -> impl Strategy<Value = Vec<BTreeMap<&'static str, Value>>> {
    let cell = |column: &'static str| {
        let value = given(column).prop_map(|l| l.value);
        if column == "years" { value.boxed() } else { prop_oneof![1 => Just(Value::Null), 2 => value].boxed() }
    };
    let row = (cell("age"), cell("years"), cell("cost"), cell("plan"), cell("smoker"));
    let row = row.prop_map(|(age, years, cost, plan, smoker)| {
        BTreeMap::from([("age", age), ("years", years), ("cost", cost), ("plan", plan), ("smoker", smoker)])
    });
    vec(row, 40)
}

/// Whether the program keeps the row: its clear part, which the owner applies, and its hidden one, the indicator.
fn keeps(schema: &Schema, plan: &Plan, query: &Query, row: &BTreeMap<&str, Value>) -> bool {
    let index = |columns: &[String]| {
        columns.iter().fold(0, |index, name| {
            let column = schema.column(name).unwrap();
            index * column.cells().unwrap() as usize + column.cell_of(&row[name.as_str()]).unwrap().unwrap() as usize
        })
    };
    let clear = plan.clear_cells(schema).unwrap();
    clear.is_none_or(|kept| kept.cells[index(kept.columns)])
        && plan.indicator(schema, query).unwrap()[index(plan.hidden())]
}

/// What SQL says of a condition, as the grammar of `sqlparser` reads it: true, false or unknown.
fn says(condition: &Expr, row: &BTreeMap<&str, Value>) -> Option<bool> {
    let and = |a: Option<bool>, b: Option<bool>| match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    };
    let not = |a: Option<bool>| a.map(|a| !a);
    let or = |a, b| not(and(not(a), not(b)));
    let compare = |left: &Expr, op: &BinaryOperator, right: &Expr| {
        let (left, right) = (values(left, row).remove(0)?, values(right, row).remove(0)?);
        Some(match op {
            BinaryOperator::Eq => left == right,
            BinaryOperator::NotEq => left != right,
            BinaryOperator::Lt => left < right,
            BinaryOperator::LtEq => left <= right,
            BinaryOperator::Gt => left > right,
            BinaryOperator::GtEq => left >= right,
            other => panic!("{other}"),
        })
    };
    match condition {
        Expr::Nested(part) => says(part, row),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => not(says(expr, row)),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => and(says(left, row), says(right, row)),
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => or(says(left, row), says(right, row)),
        Expr::BinaryOp { left, op, right } => compare(left, op, right),
        Expr::IsNull(part) => Some(values(part, row) == [None]),
        Expr::IsNotNull(part) => Some(values(part, row) != [None]),
        Expr::Between { expr, negated, low, high } => {
            let within = and(compare(expr, &BinaryOperator::GtEq, low), compare(expr, &BinaryOperator::LtEq, high));
            if *negated { not(within) } else { within }
        }
        Expr::In { expr, target: InTarget::List(list), negated, .. } => {
            let value = values(expr, row).remove(0)?;
            let found = list.iter().flat_map(|l| values(l, row)).any(|l| l.as_ref() == Some(&value));
            Some(found != *negated)
        }
        Expr::Identifier(_) => Some(values(condition, row).remove(0)? == Cell::Number(1)),
        other => panic!("{other}"),
    }
}

/// A value that compares: a number in tenths, or a text.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Cell {
    Number(i64),
    Text(String),
}

/// The one value of an expression, or the several of a SECRET in a list.
fn values(expr: &Expr, row: &BTreeMap<&str, Value>) -> Vec<Option<Cell>> {
    let tenths = |text: &str| Cell::Number((text.parse::<f64>().unwrap() * 10.0).round() as i64);
    let one = match expr {
        Expr::Identifier(name) => match &row[name.value.as_str()] {
            Value::Null => return vec![None],
            Value::Boolean(b) => Cell::Number((*b).into()),
            Value::Text(text) => Cell::Text(text.clone()),
            number => tenths(&number.to_string()),
        },
        Expr::Value(literal) => match &literal.value {
            Literal::Number(digits, _) => tenths(digits),
            Literal::SingleQuotedString(text) => Cell::Text(text.clone()),
            Literal::Boolean(b) => Cell::Number((*b).into()),
            other => panic!("{other}"),
        },
        Expr::UnaryOp { op, expr } => match (op, values(expr, row).remove(0)) {
            (UnaryOperator::Minus, Some(Cell::Number(n))) => Cell::Number(-n),
            (UnaryOperator::Plus, Some(Cell::Number(n))) => Cell::Number(n),
            other => panic!("{other:?}"),
        },
        Expr::Function(function) => {
            let FunctionArguments::List(arguments) = &function.args else { panic!("{function}") };
            let literals = arguments.args.iter().flat_map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(literal)) => values(literal, row),
                other => panic!("{other}"),
            });
            return literals.collect();
        }
        other => panic!("{other}"),
    };
    vec![Some(one)]
}

fn condition_of(text: &str) -> Expr {
    let mut statements = sqlparser::parser::Parser::parse_sql(&PostgreSqlDialect {}, text).unwrap();
    let Statement::Query(query) = statements.remove(0) else { panic!("{text}") };
    let SetExpr::Select(select) = *query.body else { panic!("{text}") };
    select.selection.unwrap()
}

proptest! {
    #[test]
    fn a_condition_keeps_the_rows_that_sql_keeps(tree in conditions(), rows in rows()) {
        let text = format!("SELECT count(*) FROM asset WHERE {}", tree.written());
        let query = parsed(&text);
        prop_assert_eq!(&query, &filtered(tree.built()), "{}", text);
        let schema = small();
        let plan = query.program().plan(&schema).unwrap();
        let condition = condition_of(&text);
        for row in rows {
            let expected = says(&condition, &row) == Some(true);
            prop_assert_eq!(keeps(&schema, &plan, &query, &row), expected, "{} of {:?}", text, row);
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        tree in proptest::option::of(conditions()),
        weight in any::<i64>(),
        names in vec("[a-z_]{1,6}|(select|order|GROUP|secret|count|date)|[\"'a-zA-Zé .\u{1f4a9}-]{1,8}", 1..4),
    ) {
        let mut query = Query::select(names.iter().flat_map(|name| [sum(name), mean(name)]).chain([count()]));
        let score = Score::from(col(names[0].as_str()).times(weight)) + col("b").points([(true, weight), (false, 1)]);
        for filter in tree.iter().map(Tree::built).chain([score.ge(weight)]).chain(names.iter().map(|name| col(name).eq(name.as_str()))) {
            query = query.filter(filter);
        }
        let query = query.group_by(names);
        let text = query.to_sql();
        prop_assert_eq!(parsed(&text.replace("SECRET(?)", "SECRET(1)")).program(), query.program(), "{}", &text);
        if !text.contains("SECRET(?)") {
            prop_assert_eq!(parsed(&text), query);
        } else {
            prop_assert_eq!(refusal(&text).kind(), ErrorKind::InvalidProgram);
        }
    }

    #[test]
    fn any_text_is_a_query_or_a_typed_error(
        words in vec(one_of(vec![
            "SELECT", "count", "(", "*", ")", "FROM", "a", "WHERE", "AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "GROUP",
            "BY", "SECRET", "(", ")", ",", ";", "=", "<", "-", "1", "1.5", "'b'", "\"c\"", "TRUE", "--", "/*", "*/", "\n", ".",
            "sum", "SELECT count(*) FROM a WHERE", "a = 1", "JOIN", "'", "é", "\\", "::", "{", "$1", "@", "DATE", "CASE",
            "2 *", "+ a", "CASE b WHEN 1 THEN 2", "END", "THEN",
        ]), 0..24),
        noise in ".{0,12}",
    ) {
        let texts = [words.join(" "), words.concat(), format!("{}{noise}", words.join(" ")), noise];
        for text in texts {
            if let Ok(query) = Query::from_sql(&text) {
                prop_assert_eq!(parsed(&query.to_sql().replace("SECRET(?)", "SECRET(1)")).program(), query.program());
            }
        }
    }
}

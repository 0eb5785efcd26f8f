-- primary_key: customer_id
-- description: Everybody with an account, as a tool may see them.

-- The one place that says what a customer is. Syncs and audiences build on it; none of them asks shop.customers
-- by itself. The key is called as in the traits and predictions, so that they join.
select
  id as customer_id,
  lower(trim(email)) as email,
  first_name,
  last_name,
  country,
  marketing_consent,
  cast(signed_up_at as date) as signed_up_on
from shop.customers

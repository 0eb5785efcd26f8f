-- primary_key: customer_id
-- description: One row a customer with what is known of them, for people who work with tables.
select
  customers.id as customer_id,
  customers.country,
  customers.channel,
  customers.marketing_consent,
  coalesce(value.orders, 0) as orders,
  coalesce(value.spend, 0) as spend,
  value.first_order_on,
  value.last_order_on,
  value.favourite_category,
  engagement.last_seen_on,
  engagement.favourite_device
from shop.customers as customers
left join traits.customer_value as value on value.customer_id = customers.id
left join traits.engagement as engagement on engagement.customer_id = customers.id

"""Entry points of SageMaker's containers: processing and training. They know the library, and no Prefect."""
